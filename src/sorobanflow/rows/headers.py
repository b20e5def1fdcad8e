"""Make the columns of `ledgers` that only a whole ledger fills, from its header."""

from typing import NamedTuple

from sorobanflow.decode.close_meta import Header


class HeaderRow(NamedTuple):
    """Those columns, in their order; hashes are hex, amounts in stroops."""

    hash: str
    previous_hash: str
    protocol: int
    base_fee: int
    base_reserve: int
    fee_pool: int
    total_coins: int
    operation_count: int
    failed_transaction_count: int
    proved: bool = True


def header_row(header: Header, operations: int, failed: int) -> HeaderRow:
    """Make the columns of a ledger with so many operations and failed transactions."""
    return HeaderRow(
        header.hash,
        header.previous_hash,
        header.protocol,
        header.base_fee,
        header.base_reserve,
        header.fee_pool,
        header.total_coins,
        operations,
        failed,
    )
