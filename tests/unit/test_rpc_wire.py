"""Items are decoded one by one, and encode to what they were decoded from."""

import json
import pickle
from typing import Any

import msgspec
import pytest

from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.wire import EventsPage, Items, PageDecoder, TransactionsPage
from sorobanflow.toid import Position
from tests.unit.rpc_node import event, transaction

CASES = [(Event, event(Position(10, 1, 0, 0))), (Transaction, transaction(10, 1))]
PAGES = {Event: (EventsPage, "events"), Transaction: (TransactionsPage, "transactions")}


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


@pytest.mark.parametrize(
    ("kind", "row", "part"),
    [
        (Event, event(Position(10, 1, 0, 0)), "value"),
        (Transaction, transaction(10, 1), "envelopeXdr"),
        (Transaction, transaction(10, 1), "resultXdr"),
        (Transaction, transaction(10, 1), "resultMetaXdr"),
    ],
)
def test_item_without_its_xdr_is_malformed(kind: Any, row: dict[str, Any], part: str) -> None:
    raw = json.dumps({name: row[name] for name in row if name != part})
    [item] = Items(kind).decode([msgspec.Raw(raw.encode())])
    assert item == Malformed(raw, f"Object missing required field `{part}`")


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_json_that_nests_too_deeply_is_malformed(depth: int) -> None:
    row = event(Position(10, 1, 0, 0), unknown="DEEP")
    text = json.dumps(row).replace('"DEEP"', "[" * depth + "]" * depth)
    [item] = Items(Event).decode([msgspec.Raw(text.encode())])
    assert item == Malformed(text, "nested too deeply")


@pytest.mark.parametrize(("kind", "row"), CASES)
@pytest.mark.parametrize("tx_hash", ["AB" * 32, "a" * 63 + "g", " a" * 32, "ab" * 31, "é" * 64])
def test_item_whose_hash_is_no_hex_is_malformed(
    kind: Any, row: dict[str, Any], tx_hash: str
) -> None:
    page, items = PAGES[kind]
    raws = [json.dumps({**row, "txHash": each}) for each in ("ab" * 32, tx_hash)]
    text = f'{{"latestLedger": 9, "{items}": [{", ".join(raws)}]}}'
    first, second = PageDecoder(page, kind).decode(text.encode()).items
    assert first.tx_hash == "ab" * 32
    assert second.payload == raws[1]
    assert "txHash" in second.error


@pytest.mark.parametrize("created_at", [2**63, -(2**63) - 1, 2**70])
def test_transaction_whose_time_has_no_64_bits_is_malformed(created_at: int) -> None:
    raw = json.dumps(transaction(10, 1, createdAt=created_at))
    [item] = Items(Transaction).decode([msgspec.Raw(raw.encode())])
    assert isinstance(item, Malformed)
    assert "createdAt" in item.error


@pytest.mark.parametrize(("page", "items"), PAGES.values())
def test_page_may_have_null_items_but_not_leave_them_out(page: Any, items: str) -> None:
    whole = {"latestLedger": 9, "oldestLedger": 1, "cursor": "1"}
    assert msgspec.json.decode(json.dumps({**whole, items: None}), type=page).items is None
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{items}`"):
        msgspec.json.decode(json.dumps(whole), type=page)
