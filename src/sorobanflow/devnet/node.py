"""The node: its methods by name. `call_faults` applies faults to a call.

Each call is answered from one window of the chain. The node behaves like
stellar-rpc v28, as read from its source. It has no getFeeStats, and no methods that
send or simulate ("method not found").
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sorobanflow.devnet import call_faults
from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.get_events import get_events
from sorobanflow.devnet.get_ledger_entries import get_ledger_entries
from sorobanflow.devnet.get_ledgers import get_ledgers
from sorobanflow.devnet.get_transactions import get_transaction, get_transactions
from sorobanflow.devnet.jsonrpc import METHOD_NOT_FOUND, RpcError
from sorobanflow.devnet.params import Params
from sorobanflow.errors import RpcTimeoutError
from sorobanflow.ledgers import LedgerRange

TIME_LIMIT = -32001

Method = Callable[[Chain, LedgerRange, object], dict[str, Any]]


class Node:
    """Answers calls about a chain.

    Args:
        chain: The chain that it serves.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def call(self, name: str, params: object, faults: Sequence[Fault] = ()) -> dict[str, Any]:
        """Run one method.

        Raises:
            RpcError: the method refuses the request, or a fault makes it.
            BadParams: the parameters cannot be decoded.
        """
        method = METHODS.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "method not found", name)
        window = self._chain.window()
        for fault in faults:
            window, params = call_faults.before(fault, name, window, params)
        try:
            result = method(self._chain, window, params)
        except RpcTimeoutError as error:
            raise RpcError(TIME_LIMIT, call_faults.ERROR_TEXTS[TIME_LIMIT]) from error
        return call_faults.after(faults, self._chain, window, params, result)


def _get_health(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    Params(params)
    return {
        "status": "healthy",
        "latestLedger": window.last,
        "latestLedgerCloseTime": str(chain.close_time(window.last)),
        "oldestLedger": window.first,
        "oldestLedgerCloseTime": str(chain.close_time(window.first)),
        "ledgerRetentionWindow": chain.retention,
    }


def _get_network(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    Params(params)
    return {
        "passphrase": chain.network.passphrase,
        "protocolVersion": chain.network.protocol,
    }


def _get_version_info(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    Params(params)
    return {
        "version": "28.0.0-devnet",
        "commitHash": "",
        "buildTimestamp": "",
        "captiveCoreVersion": "",
        "protocolVersion": chain.network.protocol,
    }


def _get_latest_ledger(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getLatestLedger without header and meta, and with a hash that is made up.

    The true ones of a generated ledger take making all ledgers before it.
    """
    Params(params)
    made_hash = sha256(f"{chain.network.passphrase} {window.last}".encode())
    return {
        "id": made_hash.hexdigest(),
        "protocolVersion": chain.network.protocol,
        "sequence": window.last,
        "closeTime": str(chain.close_time(window.last)),
    }


METHODS: Mapping[str, Method] = {
    "getEvents": get_events,
    "getTransaction": get_transaction,
    "getTransactions": get_transactions,
    "getLedgers": get_ledgers,
    "getLedgerEntries": get_ledger_entries,
    "getHealth": _get_health,
    "getNetwork": _get_network,
    "getVersionInfo": _get_version_info,
    "getLatestLedger": _get_latest_ledger,
}
