"""Make the rows of changes of ledger entries, in order, for `rows.state`.

Accounts, trust lines and offers change most, and over and over: their changes are kept as they
are, and rows are made of the newest alone. That cannot fail: what could is checked here, so that
a bad entry is an error of its transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.changes import Change
from sorobanflow.decode.entries import Entry
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.accounts import account_row
from sorobanflow.rows.assets import line_text
from sorobanflow.rows.balances import (
    account_balance,
    claimable_balance,
    contract_balance,
    contract_of_line,
    pool_balances,
    trust_line_balance,
)
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.classic import (
    account_data_row,
    claimable_balance_row,
    liquidity_pool_row,
    offer_row,
    trust_line_row,
)
from sorobanflow.rows.contracts import code_row, data_row, entries_with_ttl, ttl_row
from sorobanflow.rows.executables import ExecutableRow, executable_row
from sorobanflow.rows.state_rows import (
    AccountDataRow,
    AccountRow,
    ClaimableBalanceRow,
    ContractCodeRow,
    ContractDataRow,
    LiquidityPoolRow,
    OfferRow,
    TokenBalanceRow,
    TokenMetadataRow,
    TrustLineRow,
)
from sorobanflow.rows.token_state import token_metadata
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.values import reading

StateRow: TypeAlias = (
    ContractDataRow
    | ContractCodeRow
    | AccountRow
    | TrustLineRow
    | OfferRow
    | LiquidityPoolRow
    | ClaimableBalanceRow
    | AccountDataRow
    | TokenMetadataRow
    | TokenBalanceRow
    | ExecutableRow
)


class PendingChange(NamedTuple):
    """A change of an account, a trust line or an offer, of which no row was made yet."""

    key: tuple[str, ...]  # type of the entry, then its key
    change: Change
    position: ChangePosition


Changed: TypeAlias = StateRow | PendingChange


def state_rows(row: TransactionRow, decoded: DecodedTransaction, passphrase: str) -> list[Changed]:
    """Make the rows of a transaction's changes, in order; DecodeError for a bad entry or refund."""
    if any((refund.stroops or 0) > row.fee_bid for refund in decoded.meta.refunds):
        raise DecodeError(f"transaction {row.hash.hex()} is refunded more than it bid")
    tx_hash = row.hash.hex()
    with reading(f"a change of transaction {tx_hash}"):
        changes = decoded.meta.changes
        owners = entries_with_ttl(changes, decoded.envelope.soroban)
        rows = _rows(changes, (row.ledger, row.application_order), owners, tx_hash, passphrase)
        return [changed for changed in rows if changed is not None]


def rows_of_changes(
    changes: list[Change], ledger: int, tx_order: int, passphrase: str
) -> list[Changed]:
    """Make the rows of changes outside of transactions, in order."""
    rows = _rows(changes, (ledger, tx_order), entries_with_ttl(changes), None, passphrase)
    return [changed for changed in rows if changed is not None]


def _rows(
    changes: list[Change],
    place: tuple[int, int],
    owners: Mapping[str | None, Change | Entry],
    tx_hash: str | None,
    passphrase: str,
) -> Iterator[Changed | None]:
    for change in changes:
        position = ChangePosition(*place, change.op_order, change.change_order)
        if change.type in _KEYS:
            yield PendingChange(_KEYS[change.type](change, passphrase), change, position)
        elif change.type == "contract_code":
            yield code_row(change, position, tx_hash)
        elif change.type == "contract_data":
            yield data_row(change, position, tx_hash)
            yield contract_balance(change, position)
            yield token_metadata(change, position, passphrase)
            yield executable_row(change, position)
        elif change.type != "ttl":
            yield from _other_rows(change, position, passphrase)
        elif change.key_hash in owners:
            yield ttl_row(change, position, owners[change.key_hash])
        else:
            raise DecodeError(f"no entry for the time to live {change.key_hash}")


def _line_key(change: Change, passphrase: str) -> tuple[str, ...]:
    asset = line_text(change.key["asset"])
    contract_of_line(asset, passphrase)  # an error if it is no asset
    return "trustline", change.key["account_id"], asset


_KEYS: dict[str, Callable[[Change, str], tuple[str, ...]]] = {
    "account": lambda change, _: ("account", change.key["account_id"]),
    "trustline": _line_key,
    "offer": lambda change, _: ("offer", change.key["offer_id"]),
}


def pending_rows(pending: PendingChange, passphrase: str) -> tuple[StateRow, ...]:
    """Make the row of an entry, and that of the balance that it states."""
    _, change, position = pending
    if change.type == "account":
        account = account_row(change, position)
        return account, account_balance(account, passphrase)
    if change.type == "trustline":
        line = trust_line_row(change, position)
        return line, trust_line_balance(line, passphrase)
    return (offer_row(change, position),)


def _other_rows(change: Change, position: ChangePosition, passphrase: str) -> Iterable[StateRow]:
    """Make the row of a pool, a claimable balance or data, and those of what it holds."""
    if change.type == "liquidity_pool":
        pool = liquidity_pool_row(change, position)
        return pool, *pool_balances(pool, change, passphrase)
    if change.type == "claimable_balance":
        balance = claimable_balance_row(change, position)
        return balance, claimable_balance(balance, change, passphrase)
    return (account_data_row(change, position),)
