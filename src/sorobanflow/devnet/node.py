"""The node: its methods by name, and the faults that one call suffers.

Every call is answered from one window of the chain. Behaves as stellar-rpc
v28 does, as read from its source; getLedgers, getLedgerEntries, getFeeStats
and the methods that send or simulate are not there ("method not found").
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.get_events import get_events
from sorobanflow.devnet.get_transactions import (
    get_transaction,
    get_transactions,
    transaction_not_found,
)
from sorobanflow.devnet.jsonrpc import METHOD_NOT_FOUND, RpcError
from sorobanflow.devnet.params import Params
from sorobanflow.errors import RpcTimeoutError
from sorobanflow.ledgers import LedgerRange

TIME_LIMIT = -32001

Method = Callable[[Chain, LedgerRange, object], dict[str, Any]]

ERROR_TEXTS = {
    -32001: "[-32001] request exceeded processing limit threshold",
    -32003: "[-32003] request failed to process due to internal issue",
    -32098: "[-32098] rpc queue surpassed queue limit of 1000 requests",
    -32603: "[-32603] internal error",
}


class Node:
    """Answers calls about a chain.

    Args:
        chain: What it serves.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def call(self, name: str, params: object, fault: Fault | None) -> dict[str, Any]:
        """Run one method.

        Raises:
            RpcError: the method refuses, or the fault says so.
            BadParams: the parameters cannot be decoded.
        """
        method = METHODS.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, "method not found", name)
        window = self._chain.window()
        if fault:
            method, window = _suffer(fault, method, window)
        try:
            return method(self._chain, window, params)
        except RpcTimeoutError as error:
            raise RpcError(TIME_LIMIT, ERROR_TEXTS[TIME_LIMIT]) from error


def _suffer(fault: Fault, method: Method, window: LedgerRange) -> tuple[Method, LedgerRange]:
    if fault.kind == "rpc_error":
        raise RpcError(fault.code, ERROR_TEXTS.get(fault.code, f"[{fault.code}] devnet fault"))
    if fault.kind == "behind":
        latest = max(window.first, window.last - int(fault.amount or 0))
        return method, window._replace(last=latest)
    return (transaction_not_found if method is get_transaction else method), window


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
    """Answer getLatestLedger without the header and the meta, which no source has."""
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
    "getHealth": _get_health,
    "getNetwork": _get_network,
    "getVersionInfo": _get_version_info,
    "getLatestLedger": _get_latest_ledger,
}
