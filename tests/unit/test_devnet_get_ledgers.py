"""The method getLedgers: whole ledgers, checks, pages and nodes with a data store."""

from base64 import b64encode
from typing import Any

import pytest
from stellar_sdk import xdr

from sorobanflow.devnet import Chain, ListedLedgers
from sorobanflow.devnet.jsonrpc import RpcError
from sorobanflow.devnet.node import Node
from tests.ledgers import generated

GENERATED = generated(transactions_per_ledger=5)
OUTSIDE = "must be between the oldest ledger: 6 and the latest ledger: 10 for this rpc instance"


def trimmed(has_data_store: bool = False) -> Node:
    supply = ListedLedgers([], 3, 10, GENERATED.network)
    return Node(Chain(supply, retention=5, has_data_store=has_data_store))


@pytest.mark.parametrize(
    ("start", "pagination", "code", "text"),
    [
        (5, {}, -32600, f"start ledger (5) {OUTSIDE}"),
        (11, {"limit": 201}, -32600, f"start ledger (11) {OUTSIDE}\nlimit must not exceed 200"),
        (6, {"cursor": "6"}, -32600, "startLedger (6) and cursor (6) cannot both be set"),
        (0, {"cursor": "10"}, -32602, f"cursor ('10') {OUTSIDE}"),
        (0, {"cursor": "4"}, -32602, f"cursor ('4') {OUTSIDE}"),
        (0, {"cursor": "-1"}, -32602, 'strconv.ParseUint: parsing "-1": invalid syntax'),
        (0, {"cursor": "9" * 10}, -32602, f'parsing "{"9" * 10}": value out of range'),
    ],
)
def test_get_ledgers_refuses(start: int, pagination: Any, code: int, text: str) -> None:
    with pytest.raises(RpcError) as refused:
        trimmed().call("getLedgers", {"startLedger": start, "pagination": pagination})
    assert refused.value.code == code
    assert text in refused.value.message


def test_get_ledgers_pages_join() -> None:
    node, seen, cursor = trimmed(), [], "5"
    while cursor != "10":
        page = node.call("getLedgers", {"pagination": {"cursor": cursor, "limit": 2}})
        seen += [item["sequence"] for item in page["ledgers"]]
        cursor = page["cursor"]
    assert seen == [6, 7, 8, 9, 10]
    assert page["latestLedgerCloseTime"] == 1767225650
    assert page["oldestLedgerCloseTime"] == 1767225630


def test_get_ledgers_of_a_data_store_starts_before_the_oldest_ledger() -> None:
    node = trimmed(has_data_store=True)
    page = node.call("getLedgers", {"startLedger": 3, "pagination": {"limit": 1}})
    assert [item["sequence"] for item in page["ledgers"]] == [3]
    assert page["oldestLedger"] == 6
    with pytest.raises(RpcError, match="oldest ledger: 3 and"):
        node.call("getLedgers", {"startLedger": 2})


def test_page_names_header_and_meta() -> None:
    page = Node(Chain(GENERATED, closed=3)).call("getLedgers", {"startLedger": 2})
    assert [item["sequence"] for item in page["ledgers"]] == [2, 3]
    item = page["ledgers"][0]
    meta = xdr.LedgerCloseMeta.from_xdr(item["metadataXdr"]).v2
    assert item == {
        "hash": meta.ledger_header.hash.hash.hex(),
        "sequence": 2,
        "ledgerCloseTime": "1767225610",
        "headerXdr": meta.ledger_header.to_xdr(),
        "metadataXdr": b64encode(GENERATED.close_meta(2)).decode(),
    }
