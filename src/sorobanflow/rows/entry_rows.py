"""Sort the changes of ledger entries for `rows.state`, in order, and make the rows of some.

Rows of accounts, trust lines, offers, contract data and code are made of what a batch leaves of
them, when it ends. That cannot fail: what could is checked here, so that a bad entry is an error
of its transaction. Of other entries, and of what a contract's instance says, all rows are made.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

from sorobanflow.decode.changes import Change
from sorobanflow.decode.entries import has_signers, is_instance, read_entry
from sorobanflow.decode.entry_types import TRUSTLINE_ASSET
from sorobanflow.decode.reader import Json
from sorobanflow.decode.strkeys import SC_ADDRESS
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.accounts import account_row
from sorobanflow.rows.assets import asset_text
from sorobanflow.rows.balances import (
    claimable_balance,
    contract_of_line,
    pool_balances,
    trust_line_balance,
)
from sorobanflow.rows.change_position import PlacedChange
from sorobanflow.rows.classic import (
    account_data_row,
    claimable_balance_row,
    liquidity_pool_row,
    offer_row,
    trust_line_row,
)
from sorobanflow.rows.contracts import Life, entries_with_ttl, is_persistent, life_of
from sorobanflow.rows.executables import ExecutableRow, executable_row
from sorobanflow.rows.state_rows import (
    AccountDataRow,
    AccountRow,
    ClaimableBalanceRow,
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
    AccountRow
    | TrustLineRow
    | OfferRow
    | LiquidityPoolRow
    | ClaimableBalanceRow
    | AccountDataRow
    | TokenMetadataRow
    | TokenBalanceRow
    | ExecutableRow
)
Changed: TypeAlias = StateRow | PlacedChange | Life


def state_rows(row: TransactionRow, decoded: DecodedTransaction, passphrase: str) -> list[Changed]:
    """Sort a transaction's changes, in order; DecodeError for a bad entry or refund."""
    if any((refund.stroops or 0) > row.fee_bid for refund in decoded.meta.refunds):
        raise DecodeError(f"transaction {row.hash.hex()} is refunded more than it bid")
    tx_hash = row.hash.hex()
    with reading(f"a change of transaction {tx_hash}"):
        changes = decoded.meta.changes
        owners = entries_with_ttl(changes, decoded.envelope.soroban)
        place = row.ledger, row.application_order, tx_hash
        return [*_changed(changes, place, owners, passphrase)]


def rows_of_changes(
    changes: list[Change], ledger: int, tx_order: int, passphrase: str
) -> list[Changed]:
    """Sort changes outside of transactions, in order."""
    place = ledger, tx_order, None
    return [*_changed(changes, place, entries_with_ttl(changes), passphrase)]


def _changed(
    changes: list[Change],
    place: tuple[int, int, str | None],
    owners: Mapping[bytes, bytes],
    passphrase: str,
) -> Iterator[Changed]:
    for change in changes:
        placed = PlacedChange(change, *place)
        kind = change.type
        if kind == "ttl":
            yield life_of(placed, owners)
        elif kind in _OTHERS:
            yield from _other_rows(placed, passphrase)
        else:
            if kind == "trustline":
                line_asset(change.key_xdr[_LINE_ASSET:], passphrase)
            elif kind == "account" and change.entry_xdr and has_signers(change.entry_xdr):
                account_row(change.parts(), placed.position)
            elif kind == "contract_data" and is_instance(change.key_xdr):
                yield from _instance_rows(placed, passphrase)
            yield placed


_OTHERS = ("liquidity_pool", "claimable_balance", "data")
_LINE_ASSET = 40  # offset in the LedgerKey of a trust line, after type and account


@lru_cache(maxsize=16384)
def line_asset(asset_xdr: bytes, passphrase: str) -> str:
    """Name the TrustLineAsset of a trust line; DecodeError if it is no asset."""
    parts, _ = TRUSTLINE_ASSET.parts(asset_xdr, 0)
    asset = asset_text(parts)
    contract_of_line(asset, passphrase)
    return asset


def line_or_offer_rows(placed: PlacedChange, passphrase: str) -> tuple[StateRow, ...]:
    """Make the row of a trust line or an offer, and of the balance that it states."""
    entry, position = placed.change.parts(), placed.position
    if placed.change.type == "trustline":
        line = trust_line_row(entry, position)
        return line, trust_line_balance(line, passphrase)
    return (offer_row(entry, position),)


def _other_rows(placed: PlacedChange, passphrase: str) -> tuple[StateRow, ...]:
    """Make the row of a pool, a claimable balance or data, and those of what it holds."""
    change, position = placed.change, placed.position
    entry, before = change.parts(), change.parts_before()
    if change.type == "liquidity_pool":
        pool = liquidity_pool_row(entry, position)
        return pool, *pool_balances(pool, entry, before, passphrase)
    if change.type == "claimable_balance":
        balance = claimable_balance_row(entry, position)
        return balance, claimable_balance(balance, before, passphrase)
    return (account_data_row(entry, position),)


def _instance_rows(placed: PlacedChange, passphrase: str) -> Iterator[StateRow]:
    """Make the rows of what an instance says of a token, and of what its contract runs."""
    change = placed.change
    contract_id, _ = SC_ADDRESS.read(change.key_xdr, 4)
    after, before = _instance(change.entry_xdr), _instance(change.before_xdr)
    token = token_metadata(contract_id, after, before, placed.position, passphrase)
    if token is not None:
        yield token
    if is_persistent(change.key_xdr):
        yield executable_row(placed, contract_id, after, before)


# A transaction may ask for the same bytes thousands of times.
@lru_cache(maxsize=8)
def _instance(entry_xdr: bytes | None) -> Json:
    """Read the SCVal in the LedgerEntry of a contract's instance."""
    if entry_xdr is None:
        return None
    entry, _ = read_entry(entry_xdr, 0)
    return None if entry is None else entry.entry["val"]
