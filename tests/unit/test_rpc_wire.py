"""Items carry XDR in either form, as the node gave it."""

import json
import pickle
from typing import Any

import msgspec
import pytest

from sorobanflow.sources.rpc.wire import (
    Event,
    EventsPage,
    Items,
    Malformed,
    Transaction,
    TransactionsPage,
)
from sorobanflow.toid import Position
from tests.unit.rpc_node import event, transaction


def json_event(value: Any = "void") -> dict[str, Any]:
    row = event(Position(10, 1, 0, 0), topicJson=[{"symbol": "fee"}], valueJson=value)
    return {name: row[name] for name in row if name not in ("topic", "value")}


def json_transaction() -> dict[str, Any]:
    row = transaction(10, 1, envelopeJson={"tx": {}}, resultJson={}, resultMetaJson={"v0": []})
    return {name: row[name] for name in row if not name.endswith("Xdr")}


CASES = [(Event, json_event()), (Transaction, json_transaction())]
CASES += [(Event, event(Position(10, 1, 0, 0))), (Transaction, transaction(10, 1))]


@pytest.mark.parametrize(("kind", "row"), CASES)
def test_item_encodes_to_what_it_was_decoded_from(kind: Any, row: dict[str, Any]) -> None:
    items = Items(kind)
    [item] = items.decode([msgspec.Raw(json.dumps(row).encode())])
    assert not isinstance(item, Malformed)
    text = msgspec.json.encode(item)
    unread = {"operationIndex", "transactionIndex"}
    assert json.loads(text) == {name: row[name] for name in row if name not in unread}
    assert items.decode([msgspec.Raw(text)]) == [item]
    assert pickle.loads(pickle.dumps(item)) == item


def test_item_has_the_other_form_empty() -> None:
    [item] = Items(Transaction).decode([msgspec.Raw(json.dumps(json_transaction()).encode())])
    assert isinstance(item, Transaction)
    assert item.envelope_xdr == item.result_xdr == item.result_meta_xdr == ""
    assert bytes(item.result_meta_json) == b'{"v0": []}'


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_json_that_nests_too_deeply_is_malformed(depth: int) -> None:
    text = json.dumps(json_event("DEEP")).replace('"DEEP"', "[" * depth + "]" * depth)
    [item] = Items(Event).decode([msgspec.Raw(text.encode())])
    assert item == Malformed(text, "nested too deeply")


def test_malformed_of_an_item_whose_json_is_no_text() -> None:
    text = json.dumps(json_event("BAD")).encode().replace(b"BAD", b"\xff")
    [item] = Items(Event).decode([msgspec.Raw(text)])
    assert isinstance(item, Event)
    assert '"valueJson":"\N{REPLACEMENT CHARACTER}"' in Malformed.of(item, "its place").payload


@pytest.mark.parametrize(
    ("page", "items"), [(EventsPage, "events"), (TransactionsPage, "transactions")]
)
def test_page_may_have_null_items_but_not_leave_them_out(page: Any, items: str) -> None:
    whole = {"latestLedger": 9, "oldestLedger": 1, "cursor": "1"}
    assert (
        getattr(msgspec.json.decode(json.dumps({**whole, items: None}), type=page), items) is None
    )
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{items}`"):
        msgspec.json.decode(json.dumps(whole), type=page)
