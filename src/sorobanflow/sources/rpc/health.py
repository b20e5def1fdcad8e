"""Which ledgers a node has, also when it does not call itself healthy.

A node whose newest ledger is older than 30 s answers getHealth with an error, and
everything else as usual. Source: get_health.go of stellar-rpc v28.
"""

import msgspec

from sorobanflow.errors import LedgerOutsideRetentionError, RpcInternalError, SorobanflowError
from sorobanflow.sources.rpc.calls import Calls
from sorobanflow.sources.rpc.wire import Health, TransactionsPage

_health = msgspec.json.Decoder(Health, strict=False)
_transactions = msgspec.json.Decoder(TransactionsPage[msgspec.Raw], strict=False)


def ask_health(calls: Calls) -> Health:
    """Make one attempt to learn which ledgers the node has.

    Raises:
        RpcInternalError: it has none, or its handlers fail.
    """
    try:
        return calls.ask_once("getHealth", _health).value
    except RpcInternalError as error:
        try:
            return _bounds_of_transactions(calls)
        except SorobanflowError:
            raise error from None


def _bounds_of_transactions(calls: Calls) -> Health:
    """Learn it from getTransactions, which refuses a ledger too old and states the bounds."""
    try:
        page = _first_transaction(calls, 1)
    except LedgerOutsideRetentionError as refusal:
        page = _first_transaction(calls, refusal.oldest)
    closed = page.latest_ledger_close_timestamp
    return Health(page.latest_ledger, page.oldest_ledger, "behind", closed)


def _first_transaction(calls: Calls, start: int) -> TransactionsPage[msgspec.Raw]:
    params = {"startLedger": start, "pagination": {"limit": 1}}
    return calls.ask_once("getTransactions", _transactions, params, start).value
