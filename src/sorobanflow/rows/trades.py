"""Make the rows of trades from the results of operations; a row says what its ClaimAtom says.

Source: Stellar-transaction.x (ClaimAtom), CAP-38.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.envelopes import Arm
from sorobanflow.decode.results import OperationResult
from sorobanflow.decode.straight import Parts
from sorobanflow.decode.strkeys import encode_account
from sorobanflow.rows.operations import OperationRow


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
        _trade_row(operation, index, *claim)
        for operation, result in zip(operations, results or (), strict=False)
        if result.claims and operation.successful
        for index, claim in enumerate(result.claims)
    ]


def _trade_row(operation: OperationRow, index: int, kind: str, claim: Parts) -> TradeRow:
    """Make the row of a ClaimAtom: its arm, and its parts."""
    if kind == "liquidity_pool":
        offer_id = seller = None
        pool_id, sold, sold_amount, bought, bought_amount = claim
    else:
        seller, offer_id, sold, sold_amount, bought, bought_amount = claim
        seller, pool_id = encode_account(seller) if kind == "v0" else seller, None
    return TradeRow(
        operation.closed_at,
        offer_id,
        sold_amount,
        bought_amount,
        operation.ledger,
        operation.application_order,
        operation.op_index,
        index,
        operation.tx_hash,
        seller,
        pool_id,
        operation.source_account,
        _asset(sold),
        _asset(bought),
    )


def _asset(asset: Arm) -> str:
    kind, issued = asset
    return kind if issued is None else ":".join(issued)
