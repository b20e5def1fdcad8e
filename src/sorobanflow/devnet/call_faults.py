"""Apply faults to one call; the kinds are in `faults`.

`before` changes the input of the method, `after` its answer. Neither changes
anything that outlives the call: items of a result may be cached, so they are
replaced, never modified.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sorobanflow.devnet import get_events as events
from sorobanflow.devnet import get_ledgers as ledgers
from sorobanflow.devnet import get_transactions as transactions
from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.jsonrpc import RpcError
from sorobanflow.devnet.tampering import tampered
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.toid import (
    TxPosition,
    end_of_ledger,
    parse_event_id,
    parse_transactions_cursor,
)

Result = dict[str, Any]

ERROR_TEXTS = {
    -32001: "[-32001] request exceeded processing limit threshold",
    -32003: "[-32003] request failed to process due to internal issue",
    -32098: "[-32098] rpc queue surpassed queue limit of 1000 requests",
    -32603: "[-32603] internal error",
}
_ITEMS = ("events", "transactions", "ledgers")
_MAX_LIMIT = {
    "getEvents": events.MAX_LIMIT,
    "getTransactions": transactions.MAX_LIMIT,
    "getLedgers": ledgers.MAX_LIMIT,
}
_MISTYPED = {"devnet": "mistyped"}
_XDR = ("envelopeXdr", "resultXdr", "resultMetaXdr")


def before(
    fault: Fault, name: str, window: LedgerRange, params: object
) -> tuple[LedgerRange, object]:
    """Return the window and the parameters for the method.

    Raises:
        RpcError: the fault is an error.
    """
    if fault.kind == "rpc_error":
        raise RpcError(fault.code, ERROR_TEXTS.get(fault.code, f"[{fault.code}] devnet fault"))
    if fault.kind == "behind":
        return window._replace(last=max(window.first, window.last - fault.number)), params
    if fault.kind == "trimmed":
        return window._replace(first=min(window.last, window.first + fault.number)), params
    if fault.kind == "page":
        limit = min(fault.number, _MAX_LIMIT[name])
        return window, _paginated(params, limit=limit)
    if fault.kind == "repeat" and _pagination(params).get("cursor"):
        cursor = _pagination(params)["cursor"]
        start = _ledger_before if name == "getLedgers" else _ledger_start
        return window, _paginated(params, cursor=start(cursor))
    return window, params


def after(
    faults: Sequence[Fault], chain: Chain, window: LedgerRange, params: object, result: Result
) -> Result:
    """Return the result after the faults; faults of fields are applied last."""
    for fault in sorted(faults, key=lambda fault: fault.kind in ("missing", "mistyped")):
        change = _AFTER.get(fault.kind)
        result = change(fault, chain, window, params, result) if change else result
    return result


def _missing(fault: Fault, _: Chain, _w: LedgerRange, _p: object, result: Result) -> Result:
    def without(record: Result) -> Result:
        return {name: value for name, value in record.items() if name != fault.text}

    return _in_record(fault.text, result, without)


def _mistyped(fault: Fault, _: Chain, _w: LedgerRange, _p: object, result: Result) -> Result:
    def changed(record: Result) -> Result:
        value = record[fault.text]
        if value != _MISTYPED:  # applied twice, it must not become a valid value
            value = 7 if isinstance(value, dict | list) else _MISTYPED
        return {**record, fault.text: value}

    return _in_record(fault.text, result, changed)


def _in_record(field: str, result: Result, change: Callable[[Result], Result]) -> Result:
    """Change the result if it has the field itself, otherwise its middle item."""
    if field in result:
        return change(result)
    for name in _ITEMS:
        items = result.get(name)
        if not items or not isinstance(items, list):
            continue
        middle = len(items) // 2
        if field in items[middle]:
            changed = [*items[:middle], change(items[middle]), *items[middle + 1 :]]
            return {**result, name: changed}
    return result


def _cursor(fault: Fault, _: Chain, _w: LedgerRange, _p: object, result: Result) -> Result:
    return {**result, "cursor": fault.text}


def _stuck(_: Fault, _c: Chain, _w: LedgerRange, params: object, result: Result) -> Result:
    items: Result = {name: [] for name in _ITEMS if name in result}
    return {**result, **items, "cursor": _pagination(params).get("cursor") or _begin(params, items)}


def _begin(params: object, items: Result) -> str:
    first = int(params.get("startLedger") or 1) if isinstance(params, dict) else 1
    if "ledgers" in items:
        return str(first - 1)
    return end_of_ledger(first - 1).event_id if "events" in items else TxPosition(first, 0).cursor


def _stray(
    fault: Fault, chain: Chain, window: LedgerRange, params: object, result: Result
) -> Result:
    if not result["events"] or not isinstance(params, dict):
        return result
    ledger = result["events"][0]["ledger"] + fault.number
    if not window.holds(ledger):
        return result
    asked = {"startLedger": ledger, "endLedger": ledger + 1, "pagination": {"limit": 1}}
    page = events.get_events(chain, window, asked)
    return {**result, "events": [*page["events"], *result["events"]]}


def _not_found(_: Fault, chain: Chain, window: LedgerRange, params: object, _r: Result) -> Result:
    return transactions.transaction_not_found(chain, window, params)


def _other_transaction(
    _: Fault, chain: Chain, window: LedgerRange, params: object, result: Result
) -> Result:
    if not isinstance(params, dict):
        return result
    for sequence in range(window.first, window.last + 1):
        for transaction in chain.ledger(sequence).transactions:
            if transaction.hash != result["txHash"]:
                other = {**params, "hash": transaction.hash}
                return transactions.get_transaction(chain, window, other)
    return result


def _other_envelope(
    fault: Fault, chain: Chain, window: LedgerRange, params: object, result: Result
) -> Result:
    def changed(item: Result) -> Result:
        asked = {} if isinstance(params, dict) else params
        other = _other_transaction(fault, chain, window, asked, item)
        return {**item, **{name: other[name] for name in _XDR if name in item}}

    return _in_record("txHash", result, changed)


def _hole(_: Fault, _c: Chain, _w: LedgerRange, _p: object, result: Result) -> Result:
    page = result["ledgers"]
    middle = len(page) // 2
    return {**result, "ledgers": [*page[:middle], *page[middle + 1 :]]}


def _tampered(fault: Fault, chain: Chain, _w: LedgerRange, _p: object, result: Result) -> Result:
    def changed(item: Result) -> Result:
        meta = tampered(chain.close_meta(item["sequence"]), fault.number)
        return {**item, "metadataXdr": b64encode(meta).decode()}

    return _in_record("metadataXdr", result, changed)


def _other_ledgers(
    _: Fault, chain: Chain, window: LedgerRange, _p: object, result: Result
) -> Result:
    def changed(item: Result) -> Result:
        sequence = item["sequence"]
        other = sequence + 1 if window.holds(sequence + 1) else max(sequence - 1, chain.first)
        return {**item, "metadataXdr": b64encode(chain.close_meta(other)).decode()}

    return _in_record("metadataXdr", result, changed)


def _network(_: Fault, chain: Chain, _w: LedgerRange, _p: object, result: Result) -> Result:
    return {**result, "passphrase": f"Not the {chain.network.passphrase}"}


_AFTER: Mapping[str, Callable[[Fault, Chain, LedgerRange, object, Result], Result]] = {
    "missing": _missing,
    "mistyped": _mistyped,
    "cursor": _cursor,
    "stuck": _stuck,
    "stray": _stray,
    "not_found": _not_found,
    "other_transaction": _other_transaction,
    "other_envelope": _other_envelope,
    "network": _network,
    "hole": _hole,
    "tampered": _tampered,
    "other_ledgers": _other_ledgers,
}


def _pagination(params: object) -> dict[str, Any]:
    pagination = params.get("pagination") if isinstance(params, dict) else None
    return pagination if isinstance(pagination, dict) else {}


def _paginated(params: object, **changes: object) -> object:
    if not isinstance(params, dict):
        return params
    return {**params, "pagination": {**_pagination(params), **changes}}


def _ledger_before(cursor: str) -> str:
    """Return getLedgers' cursor one ledger earlier; an invalid cursor stays as it is."""
    return str(int(cursor) - 1) if cursor.isdecimal() and int(cursor) > 0 else cursor


def _ledger_start(cursor: str) -> str:
    """Return the cursor of the start of a cursor's ledger; an invalid cursor stays as it is."""
    try:
        if "-" in cursor:
            return end_of_ledger(parse_event_id(cursor).ledger - 1).event_id
        return TxPosition(parse_transactions_cursor(cursor)[0], 0).cursor
    except DecodeError:
        return cursor
