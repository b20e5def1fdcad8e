"""The changes that fees make outside of transactions, as whole ledgers hold them.

All fees are taken before the first transaction, and refunded after the last one. The
amounts are those of the fee events, and the balances those of the metas: a transaction
starts with what its fee left, and a refund comes on top of the ledger's last balance.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.devnet.meta import AFTER_ALL_TXS, BEFORE_ALL_TXS
from sorobanflow.devnet.meta_changes import MetaChanges
from sorobanflow.devnet.supply import Ledger, Transaction

_UPDATED, _REMOVED, _STATE = (kind.to_bytes(4) for kind in (1, 2, 3))
_ACCOUNT = bytes(4)  # LedgerEntryType
_NO_CHANGES = bytes(4)


class FeeChanges(NamedTuple):
    """The changes of one transaction's fee, before and after all transactions.

    Both are LedgerEntryChanges, XDR.
    """

    before: bytes
    after: bytes


class _Fee(NamedTuple):
    payer: bytes  # AccountID
    stroops: int  # negative: a refund


def fee_changes(ledger: Ledger, metas: Sequence[MetaChanges]) -> list[FeeChanges]:
    """Make the changes for each transaction of a ledger, whose metas are given in its order."""
    number, accounts = ledger.sequence.to_bytes(4), _last_accounts(metas)
    return [
        FeeChanges(
            _charge(number, _fee(transaction, BEFORE_ALL_TXS), meta),
            _refund(number, _fee(transaction, AFTER_ALL_TXS), accounts),
        )
        for transaction, meta in zip(ledger.transactions, metas, strict=True)
    ]


def _fee(transaction: Transaction, stage: int) -> _Fee | None:
    for staged in transaction.events.staged:
        if staged.stage == stage:
            # An SCVal of an address is 8 bytes of types and the AccountID; of an i128, 4 of type.
            payer, amount = staged.event.topics[1][8:], staged.event.value[4:]
            return _Fee(payer, int.from_bytes(amount, signed=True))
    return None


def _charge(ledger: bytes, fee: _Fee | None, meta: MetaChanges) -> bytes:
    """Lead to the payer's account as its transaction finds it."""
    for change in meta.changes:
        if fee and change.startswith(_STATE) and _account_id(change) == fee.payer:
            left = change[4:]
            return _changes(_with_balance(left, _balance(left) + fee.stroops), ledger + left[4:])
    return _NO_CHANGES


def _refund(ledger: bytes, fee: _Fee | None, accounts: dict[bytes, bytes]) -> bytes:
    last = accounts.get(fee.payer) if fee else None
    if fee is None or last is None:
        return _NO_CHANGES
    new = ledger + _with_balance(last, _balance(last) - fee.stroops)[4:]
    accounts[fee.payer] = new
    return _changes(last, new)


def _last_accounts(metas: Sequence[MetaChanges]) -> dict[bytes, bytes]:
    """Return the LedgerEntry of each account after the last transaction, by AccountID."""
    accounts: dict[bytes, bytes] = {}
    for meta in metas:
        for change in meta.changes:
            account_id = _account_id(change)
            if account_id is None:
                continue
            if change.startswith(_REMOVED):
                accounts.pop(account_id, None)
            else:
                accounts[account_id] = change[4:]
    return accounts


def _account_id(change: bytes) -> bytes | None:
    """Return the AccountID of an account's change; None of other entries' changes."""
    key = change[4:] if change.startswith(_REMOVED) else change[8:]
    return key[4:40] if key.startswith(_ACCOUNT) else None


# A LedgerEntry of an account: ledger of the last change, type, AccountID, balance, and so on.
def _balance(entry: bytes) -> int:
    return int.from_bytes(entry[44:52], signed=True)


def _with_balance(entry: bytes, balance: int) -> bytes:
    return entry[:44] + balance.to_bytes(8, signed=True) + entry[52:]


def _changes(old: bytes, new: bytes) -> bytes:
    return (2).to_bytes(4) + _STATE + old + _UPDATED + new
