"""Make the rows of trades from the results of operations; a row says what its ClaimAtom says.

Source: Stellar-transaction.x (ClaimAtom), CAP-38.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.operation_types import OPERATION_TYPES
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import account_of_key, address
from sorobanflow.rows.assets import asset_text
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.results import OperationResult
from sorobanflow.rows.values import arm, i64, reading

#: Where the result of an operation has its claim atoms.
_CLAIM_ATOMS = {
    OPERATION_TYPES.index("path_payment_strict_receive"): "offers",
    OPERATION_TYPES.index("path_payment_strict_send"): "offers",
    OPERATION_TYPES.index("manage_sell_offer"): "offers_claimed",
    OPERATION_TYPES.index("manage_buy_offer"): "offers_claimed",
    OPERATION_TYPES.index("create_passive_sell_offer"): "offers_claimed",
}


class TradeRow(NamedTuple):
    """A row of `trades`."""

    closed_at: datetime
    offer_id: int | None
    sold_amount: int
    bought_amount: int
    ledger: int
    application_order: int
    op_index: int
    trade_index: int
    tx_hash: bytes
    seller: str | None
    pool_id: str | None
    buyer: str
    sold_asset: str
    bought_asset: str


def trade_rows(
    operations: Sequence[OperationRow], results: Sequence[OperationResult] | None
) -> list[TradeRow]:
    """Make the rows of a transaction's trades, in order; none if it was not applied."""
    return [
        _trade_row(operation, index, *arm(atom))
        for operation, (code, content) in zip(operations, results or (), strict=False)
        if code == "success" and operation.successful and operation.type in _CLAIM_ATOMS
        for index, atom in enumerate(content[_CLAIM_ATOMS[operation.type]])
    ]


def _trade_row(operation: OperationRow, index: int, kind: str, atom: Json) -> TradeRow:
    with reading(f"trade {index} of operation {operation.op_index} of {operation.tx_hash.hex()}"):
        is_of_pool = kind == "liquidity_pool"
        return TradeRow(
            closed_at=operation.closed_at,
            offer_id=None if is_of_pool else i64(atom["offer_id"]),
            sold_amount=i64(atom["amount_sold"]),
            bought_amount=i64(atom["amount_bought"]),
            ledger=operation.ledger,
            application_order=operation.application_order,
            op_index=operation.op_index,
            trade_index=index,
            tx_hash=operation.tx_hash,
            seller=None if is_of_pool else _seller(kind, atom),
            pool_id=address(atom["liquidity_pool_id"], "L") if is_of_pool else None,
            buyer=operation.source_account,
            sold_asset=asset_text(atom["asset_sold"]),
            bought_asset=asset_text(atom["asset_bought"]),
        )


def _seller(kind: str, atom: Json) -> str:
    if kind == "order_book":
        return address(atom["seller_id"], "G")
    if kind == "v0":
        return account_of_key(atom["seller_ed25519"]).address
    raise DecodeError(f"unknown claim atom: {kind!r:.80}")
