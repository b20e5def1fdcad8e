from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sorobanflow.errors import DecodeError
from sorobanflow.rows.events import EventRow, event_row
from sorobanflow.sources.items import Event
from tests.unit.wire_items import TOKEN, TX_HASH, make_event, symbol


def test_event_row_has_every_column() -> None:
    event = make_event([symbol("ping"), {"u32": 4294967295}], {"i128": "-1"})
    assert event_row(event) == EventRow(
        closed_at=datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC),
        ledger=1000,
        tx_index=3,
        op_index=1,
        event_index=2,
        is_system=False,
        in_successful_call=True,
        tx_hash=bytes.fromhex(TX_HASH),
        contract_id=TOKEN,
        topics='[{"symbol":"ping"},{"u32":4294967295}]',
        value='{"i128":"-1"}',
    )
    assert event_row(event).id == event.id


@pytest.mark.parametrize("absent", [None, ""])
def test_event_row_takes_an_event_of_no_contract(absent: str | None) -> None:
    row = event_row(make_event([], contract_id=absent, type="system"))
    assert (row.contract_id, row.is_system) == (None, True)


def test_event_row_keeps_unknown_success_unknown() -> None:
    assert event_row(make_event([], in_successful_contract_call=None)).in_successful_call is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "0000004294967308289-2"},
        {"id": ""},
        {"id": "0000004294967308289-2147483648"},
        {"ledger": 1001},
        {"ledger_closed_at": "yesterday"},
        {"ledger_closed_at": "1784656870"},
        {"tx_hash": "AB" * 32},
        {"tx_hash": "ab" * 32 + "\n"},
        {"type": "diagnostic"},
        {"type": "contract\0"},
        {"contract_id": TOKEN[:-1] + "A"},
        {"contract_id": "\0"},
        {"topic": [b""]},
    ],
)
def test_event_row_refuses_a_bad_field(changes: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        event_row(make_event([], **changes))


def test_event_row_of_the_documented_example(
    corpus: Callable[[str], list[dict[str, Any]]],
) -> None:
    [example] = [
        row
        for row in corpus("rpc-examples")[1:]
        if row["source_path"].endswith("Events.json#TwoNativeTransferEvents")
    ]
    row = event_row(msgspec.convert(example["payload"]["events"][0], Event))
    assert row == EventRow(
        closed_at=datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC),
        ledger=3727845,
        tx_index=5,
        op_index=0,
        event_index=1,
        is_system=False,
        in_successful_call=True,
        tx_hash=bytes.fromhex("a5c9247b77eb04c0d857934a2e988c408167976c8acbdf3d8acf64c44deb3beb"),
        contract_id="CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC",
        topics='[{"symbol":"transfer"},'
        '{"address":"GCHHLGOJVLRAPYBB6TR4NS4VRF5VW5RKZXQCVQUGMLGLXPTKJFCINQVE"},'
        '{"address":"CCXP6YNFJZIDQD6N37DPCEKXJGLL56ZSAT5D5RPZG4NONL7IRAGWKFD2"},'
        '{"string":"native"}]',
        value='{"i128":"3000000000"}',
    )
    assert row.id == "0016010972359577600-0000000001"
