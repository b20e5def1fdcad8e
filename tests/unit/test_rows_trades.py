"""Trades are what claim atoms say, in their order, and only those that were applied."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

from stellar_sdk import StrKey

from sorobanflow.decode.codes import OPERATION_TYPES
from sorobanflow.decode.results import OperationResult, read_result
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.trades import TradeRow, trade_rows
from sorobanflow.rows.transaction_entry import TransactionReader
from tests.unit.wire_items import (
    ALICE,
    BOB,
    CAROL,
    NETWORK,
    TX_HASH,
    make_body,
    make_result,
    make_transaction,
    result_xdr,
    sign,
    with_its_hash,
)

USD = {"credit_alphanum4": {"asset_code": "USD", "issuer": BOB}}
LONG = {"credit_alphanum12": {"asset_code": "LONGNAME", "issuer": CAROL}}
POOL = StrKey.encode_liquidity_pool(bytes(range(32)))
HASH = bytes.fromhex(TX_HASH)
CLOSED = datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC)
LAST = {"destination": BOB, "asset": "native", "amount": "7"}


def traded(sold: Any, sold_amount: int, bought: Any, bought_amount: int) -> dict[str, Any]:
    return {
        "asset_sold": sold,
        "amount_sold": str(sold_amount),
        "asset_bought": bought,
        "amount_bought": str(bought_amount),
    }


def order(seller: str, offer: int, *amounts: Any) -> dict[str, Any]:
    return {"order_book": {"seller_id": seller, "offer_id": str(offer), **traded(*amounts)}}


def pool(*amounts: Any) -> dict[str, Any]:
    return {"liquidity_pool": {"liquidity_pool_id": POOL, **traded(*amounts)}}


def manage(*atoms: Any) -> dict[str, Any]:
    return {"offers_claimed": [*atoms], "offer": "deleted"}


def path(*atoms: Any) -> dict[str, Any]:
    return {"offers": [*atoms], "last": LAST}


def operation(kind: str, index: int = 0, successful: bool = True) -> OperationRow:
    number = OPERATION_TYPES.index(kind)
    return OperationRow(
        *(CLOSED, 1000, 3, index, number, successful, HASH, ALICE, None, "{}", None, None)
    )


def success(kind: str, content: Any = None) -> OperationResult:
    """The result of an operation that succeeded."""
    arm = {kind: {"success": content} if content else "success"}
    text = result_xdr(make_result({"tx_success": [{"op_inner": arm}]}))
    result, _ = read_result(b64decode(text), 0)
    assert result.operations is not None
    return result.operations[0]


def trades_of(kind: str, content: Any) -> list[TradeRow]:
    return trade_rows([operation(kind)], [success(kind, content)])


def test_trade_row_of_an_offer_has_every_column() -> None:
    assert trades_of("manage_sell_offer", manage(order(BOB, 9, USD, 30, "native", 45))) == [
        TradeRow(
            closed_at=CLOSED,
            offer_id=9,
            sold_amount=30,
            bought_amount=45,
            ledger=1000,
            application_order=3,
            op_index=0,
            trade_index=0,
            tx_hash=HASH,
            seller=BOB,
            pool_id=None,
            buyer=ALICE,
            sold_asset=f"USD:{BOB}",
            bought_asset="native",
        )
    ]


def test_trade_row_of_a_pool_names_it_instead_of_a_seller() -> None:
    [row] = trades_of("path_payment_strict_send", path(pool("native", 7, LONG, 21)))
    assert (row.seller, row.offer_id, row.pool_id) == (None, None, POOL)
    assert (row.sold_asset, row.bought_asset) == ("native", f"LONGNAME:{CAROL}")


def test_seller_of_an_atom_before_protocol_18_is_a_raw_key() -> None:
    key = StrKey.decode_ed25519_public_key(BOB).hex()
    atom = {"v0": {"seller_ed25519": key, "offer_id": "9", **traded(USD, 1, "native", 1)}}
    [row] = trades_of("manage_buy_offer", manage(atom))
    assert (row.seller, row.offer_id, row.pool_id) == (BOB, 9, None)


def test_trades_keep_the_order_of_hops_and_offers() -> None:
    hops = path(
        order(BOB, 1, USD, 10, "native", 5),
        order(CAROL, 2, USD, 20, "native", 10),
        pool(LONG, 3, USD, 30),
    )
    rows = trades_of("path_payment_strict_receive", hops)
    assert [(row.trade_index, row.seller, row.sold_asset) for row in rows] == [
        (0, BOB, f"USD:{BOB}"),
        (1, CAROL, f"USD:{BOB}"),
        (2, None, f"LONGNAME:{CAROL}"),
    ]


def test_trades_are_of_their_own_operation() -> None:
    atom = order(BOB, 9, USD, 30, "native", 45)
    send = "path_payment_strict_send"
    kinds = ("payment", "manage_buy_offer", send, send)
    contents = (None, manage(atom), path(), path(atom, atom))
    results = [success(kind, content) for kind, content in zip(kinds, contents, strict=True)]
    rows = trade_rows([operation(kind, n) for n, kind in enumerate(kinds)], results)
    assert [(row.op_index, row.trade_index) for row in rows] == [(1, 0), (3, 0), (3, 1)]


def test_failed_transaction_has_no_trades_though_an_operation_succeeded() -> None:
    operations = [operation("manage_sell_offer", successful=False)]
    content = manage(order(BOB, 9, USD, 30, "native", 45))
    assert trade_rows(operations, [success("manage_sell_offer", content)]) == []
    assert trade_rows(operations, None) == []


def test_transaction_gives_the_trades_and_results_of_its_operations() -> None:
    offer = {
        "manage_buy_offer": {
            "selling": "native",
            "buying": USD,
            "buy_amount": "1",
            "price": {"n": 1, "d": 2},
            "offer_id": "0",
        }
    }
    own = [{"source_account": CAROL, "body": offer}]
    content = manage(order(BOB, 9, USD, 30, "native", 45), pool(USD, 2, "native", 4))
    result = make_result({"tx_success": [{"op_inner": {"manage_buy_offer": {"success": content}}}]})
    item = with_its_hash(make_transaction({"tx": sign(make_body(own))}, result))
    entry = TransactionReader(NETWORK, with_state=False).read(item)
    [row] = entry.operations
    assert row.result is not None
    assert row.result.startswith('{"offers_claimed":[{"order_book":{"seller_id":"' + BOB)
    assert [(one.buyer, one.seller, one.pool_id) for one in entry.trades] == [
        (CAROL, BOB, None),
        (CAROL, None, POOL),
    ]
