"""Recognize the events that state a token operation (SEP-41, CAP-67), before `rows.tokens`.

Before protocol 23 shapes also named the admin: `[mint, admin, to]`; the asset, a string, tells
today's `[mint, to, asset]` from them. Invariant: any contract may emit events of these names, so
another shape is no error and no token operation.
"""

from collections.abc import Callable

from sorobanflow.decode.events import DecodedEvent
from sorobanflow.decode.reader import Json
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import content, i128, symbol_map, text, u32, u64

#: The columns that the address topics fill, by name of the event and number of addresses.
_ADDRESS_COLUMNS = {
    ("transfer", 2): ("from_address", "to_address"),
    ("mint", 1): ("to_address",),
    ("mint", 2): ("admin_address", "to_address"),
    ("burn", 1): ("from_address",),
    ("clawback", 1): ("from_address",),
    ("clawback", 2): ("admin_address", "from_address"),
    ("approve", 2): ("from_address", "to_address"),
    ("set_authorized", 1): ("to_address",),
    ("set_authorized", 2): ("admin_address", "to_address"),
    ("set_admin", 1): ("admin_address",),
    ("fee", 1): ("from_address",),
}

Columns = dict[str, Json]


def read_token_operation(decoded: DecodedEvent) -> Columns | None:
    """Read the columns that an event fills; None if it states no token operation."""
    kind = content(decoded.topics[0], "symbol") if decoded.topics else None
    if not isinstance(kind, str) or kind not in _DATA:
        return None
    topics, asset = _split(decoded.topics[1:])
    columns = _ADDRESS_COLUMNS.get((kind, len(topics)))
    data = _DATA[kind](decoded.value)
    if columns is None or data is None or None in topics:
        return None
    addresses = {name: address(topic) for name, topic in zip(columns, topics, strict=True)}
    return {"type": _NUMBERS[kind], "asset": asset, **addresses, **data}


def _split(topics: list[Json]) -> tuple[list[Json], str | None]:
    asset = content(topics[-1], "string") if topics else None
    addresses = topics if asset is None else topics[:-1]
    return [content(topic, "address") for topic in addresses], asset


def _moved(value: Json) -> Columns | None:
    """Read i128, or a map with the amount and the muxed destination, if any."""
    entries = symbol_map(value)
    if entries is None:
        return _amount(value)
    amount = _amount(entries.get("amount"))
    muxed = _muxed(entries.get("to_muxed_id", "void"))
    return None if amount is None or muxed is None else {**amount, **muxed}


def _amount(value: Json) -> Columns | None:
    amount = content(value, "i128")
    return None if amount is None else {"amount": i128(amount)}


def _muxed(value: Json) -> Columns | None:
    if value == "void":
        return {}
    for kind in ("u64", "string", "bytes"):
        muxed = content(value, kind)
        if muxed is not None:
            muxed_id = str(u64(muxed)) if kind == "u64" else text(muxed)
            return {"to_muxed_id": muxed_id, "to_muxed_type": kind}
    return None


def _allowance(value: Json) -> Columns | None:
    """Read the amount and the last ledger: a vec of both, or a map that names them."""
    entries = symbol_map(value)
    if entries is None:
        parts = content(value, "vec") or []
    else:
        parts = [entries.get("amount"), entries.get("live_until_ledger")]
    if len(parts) != 2:
        return None
    amount, ledger = _amount(parts[0]), content(parts[1], "u32")
    if amount is None or ledger is None:
        return None
    return {**amount, "live_until_ledger": u32(ledger)}


def _authorized(value: Json) -> Columns | None:
    flag = content(value, "bool")
    return {"authorized": flag} if isinstance(flag, bool) else None


def _new_admin(value: Json) -> Columns | None:
    admin = content(value, "address")
    return None if admin is None else {"to_address": address(admin)}


_DATA: dict[str, Callable[[Json], Columns | None]] = {
    "transfer": _moved,
    "mint": _moved,
    "burn": _moved,
    "clawback": _moved,
    "approve": _allowance,
    "set_authorized": _authorized,
    "set_admin": _new_admin,
    "fee": _amount,
}
#: Types of token operations, in the order of their numbers.
TYPES = tuple(_DATA)
_NUMBERS = {kind: number for number, kind in enumerate(TYPES)}
FEE = _NUMBERS["fee"]
