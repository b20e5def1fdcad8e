"""The methods getTransaction and getTransactions.

They copy three quirks that clients must handle. NOT_FOUND is a result, not an error.
Polling at the tip returns the cursor `(latest, 0)`, and the next page repeats the tip
ledger. A cursor ahead of the node returns the cursor "0". Source: RPC getTransaction,
getTransactions.
"""

import re
from typing import Any

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.jsonrpc import INVALID_PARAMS, RpcError
from sorobanflow.devnet.paging import check_page
from sorobanflow.devnet.params import Params
from sorobanflow.devnet.supply import Ledger, Transaction
from sorobanflow.ledgers import LedgerRange
from sorobanflow.toid import MAX_TX, TxPosition

DEFAULT_LIMIT, MAX_LIMIT = 50, 200  # transactions
HASH_DIGITS = 64
POSITIONAL = ("startLedger", "pagination", "xdrFormat")  # the last is ignored

_NO_HEX = re.compile(r"[^0-9a-fA-F]")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


def get_transaction(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getTransaction.

    Raises:
        BadParams: the node could not decode the parameters.
        RpcError: the node would refuse them.
        RpcTimeoutError: finding the transaction takes too long.
    """
    tx_hash = _read_hash(Params(params))
    found = chain.find(tx_hash.lower(), window)
    if found is None:
        return _not_found(chain, window, tx_hash)
    ledger, transaction = found
    return {
        **_window_texts(chain, window),
        **_render(transaction),
        "txHash": tx_hash,
        "ledger": ledger.sequence,
        "createdAt": str(ledger.close_time),
    }


def transaction_not_found(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getTransaction as a node that has not ingested the transaction."""
    tx_hash = _read_hash(Params(params))
    return _not_found(chain, window, tx_hash)


def get_transactions(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getTransactions; the only method that takes positional parameters.

    Raises:
        BadParams: the node could not decode the parameters.
        RpcError: the node would refuse them.
    """
    named = Params(_named(params))
    pagination = named.object("pagination")
    start_ledger, cursor = named.u32("startLedger"), pagination.text("cursor")
    limit = pagination.u32("limit")
    check_page(start_ledger, cursor, limit, MAX_LIMIT, window)
    start = _after(cursor) if cursor else (start_ledger, 1)
    rows, end = _page(chain, window, start, limit or DEFAULT_LIMIT)
    return {
        "transactions": [_render_row(ledger, each) for ledger, each in rows],
        "latestLedger": window.last,
        "latestLedgerCloseTimestamp": chain.close_time(window.last),
        "oldestLedger": window.first,
        "oldestLedgerCloseTimestamp": chain.close_time(window.first),
        "cursor": end,
    }


def _read_hash(params: Params) -> str:
    tx_hash = params.text("hash")
    complaint = _check_hash(tx_hash)
    if complaint:
        raise RpcError(INVALID_PARAMS, complaint)
    return tx_hash


def _check_hash(tx_hash: str) -> str | None:
    if len(tx_hash.encode()) != HASH_DIGITS:
        return f"unexpected hash length ({len(tx_hash.encode())})"
    bad = _NO_HEX.search(tx_hash)
    if bad:
        return f"incorrect hash: encoding/hex: invalid byte: U+{ord(bad[0]):04X} '{bad[0]}'"
    return None


def _not_found(chain: Chain, window: LedgerRange, tx_hash: str) -> dict[str, Any]:
    return {
        **_window_texts(chain, window),
        "status": "NOT_FOUND",
        "txHash": tx_hash,
        "applicationOrder": 0,
        "feeBump": False,
        "events": {},
        "ledger": 0,
        "createdAt": "0",
    }


def _window_texts(chain: Chain, window: LedgerRange) -> dict[str, Any]:
    return {
        "latestLedger": window.last,
        "latestLedgerCloseTime": str(chain.close_time(window.last)),
        "oldestLedger": window.first,
        "oldestLedgerCloseTime": str(chain.close_time(window.first)),
    }


def _named(params: object) -> object:
    if not isinstance(params, list):
        return params
    if len(params) != len(POSITIONAL):
        raise RpcError(
            INVALID_PARAMS,
            "invalid parameters",
            f"got {len(params)} parameters, want {len(POSITIONAL)}",
        )
    return dict(zip(POSITIONAL, params, strict=True))


def _after(cursor: str) -> tuple[int, int]:
    if not _INTEGER.fullmatch(cursor):
        raise RpcError(INVALID_PARAMS, f'strconv.ParseInt: parsing "{cursor}": invalid syntax')
    if not -(2**63) <= int(cursor) < 2**63:
        raise RpcError(INVALID_PARAMS, f'strconv.ParseInt: parsing "{cursor}": value out of range')
    return int(cursor) >> 32, (int(cursor) >> 12 & MAX_TX) + 1


def _page(
    chain: Chain, window: LedgerRange, start: tuple[int, int], limit: int
) -> tuple[list[tuple[Ledger, Transaction]], str]:
    rows: list[tuple[Ledger, Transaction]] = []
    cursor = "0"  # what the node returns if its loop over ledgers never runs
    first, order = start
    for sequence in range(first, window.last + 1):
        if sequence < window.first:
            raise RpcError(
                INVALID_PARAMS, f"database does not contain metadata for ledger: {sequence}"
            )
        ledger = chain.ledger(sequence)
        part = ledger.transactions[order - 1 :][: limit - len(rows)]
        rows += [(ledger, transaction) for transaction in part]
        cursor = TxPosition(sequence, part[-1].application_order if part else 0).cursor
        if len(rows) == limit:
            break
        order = 1
    return rows, cursor


def _render_row(ledger: Ledger, transaction: Transaction) -> dict[str, Any]:
    return {
        **_render(transaction),
        "ledger": ledger.sequence,
        "createdAt": ledger.close_time,
    }


def _render(transaction: Transaction) -> dict[str, Any]:
    events = transaction.events
    lists = {
        "transactionEventsXdr": events.transaction_events_xdr,
        "contractEventsXdr": events.contract_events_xdr,
    }
    diagnostics = events.diagnostic_events_xdr
    return {
        "status": transaction.status,
        "txHash": transaction.hash,
        "applicationOrder": transaction.application_order,
        "feeBump": transaction.fee_bump,
        "envelopeXdr": transaction.envelope_xdr,
        "resultXdr": transaction.result_xdr,
        "resultMetaXdr": transaction.result_meta_xdr,
        **({"diagnosticEventsXdr": diagnostics} if diagnostics else {}),
        "events": {name: each for name, each in lists.items() if each},
    }
