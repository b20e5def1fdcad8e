"""Make the columns of `ledgers` that only a whole ledger fills."""

from typing import NamedTuple

from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.entries import read_key
from sorobanflow.rows.values import json_text


class HeaderRow(NamedTuple):
    """Those columns, in their order; hashes are hex, amounts in stroops, JSON as text."""

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
    upgrades: str = "[]"
    evicted_keys: str = "[]"


def header_row(ledger: CloseMeta) -> HeaderRow:
    """Make the columns of a ledger; those that count rows are 0.

    The keys of times to live, which newer protocols list among the evicted, tell nothing more.
    """
    header = ledger.header
    keys = [read_key(one)[0] for one in ledger.evicted]
    evicted = [{one.type: one.key} for one in keys if one.type != "ttl"]
    return HeaderRow(
        header.hash,
        header.previous_hash,
        header.protocol,
        header.base_fee,
        header.base_reserve,
        header.fee_pool,
        header.total_coins,
        operation_count=0,
        failed_transaction_count=0,
        upgrades=json_text([one.value for one in ledger.upgrades]),
        evicted_keys=json_text(evicted),
    )
