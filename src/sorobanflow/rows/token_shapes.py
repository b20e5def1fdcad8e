"""Recognize the events that state a token operation (SEP-41, CAP-67), for `rows.tokens`.

Before protocol 23 shapes also named the admin: `[mint, admin, to]`; the asset, a string, tells
today's `[mint, to, asset]` from them. Invariant: any contract may emit events of these names, so
another shape is no error and no token operation. All XDR here was read before, and is valid.
"""

from collections.abc import Callable
from functools import lru_cache
from struct import pack
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.events import MAX_REMEMBERED
from sorobanflow.decode.reader import Json
from sorobanflow.decode.scval import read_scval
from sorobanflow.rows.values import content, symbol_map

_Addresses: TypeAlias = tuple[str | None, str | None, str | None]
_Data: TypeAlias = tuple[int | None, bool | None, int | None, str | None, str | None]


class TokenOperation(NamedTuple):
    """What an event says of a token."""

    type: int  # a place in `TYPES`
    asset: str | None  # as the event names it, whoever emits it
    addresses: _Addresses  # from, to, admin
    data: _Data  # amount, authorized, live_until_ledger, to_muxed_id, to_muxed_type


#: By name of the event and number of its addresses: which are from, to and admin; -1: none.
_PLACES = {
    ("transfer", 2): (0, 1, -1),
    ("mint", 1): (-1, 0, -1),
    ("mint", 2): (-1, 1, 0),
    ("burn", 1): (0, -1, -1),
    ("clawback", 1): (0, -1, -1),
    ("clawback", 2): (1, -1, 0),
    ("approve", 2): (0, 1, -1),
    ("set_authorized", 1): (-1, 0, -1),
    ("set_authorized", 2): (-1, 1, 0),
    ("set_admin", 2): (-1, 1, 0),  # the second is the event's data
    ("fee", 1): (0, -1, -1),
}


def read_token_operation(topics: list[bytes], value: bytes) -> TokenOperation | None:
    """Read the operation that topics (one or more) and value state; None if they state none."""
    kind = _KINDS.get(topics[0])
    if kind is None:
        return None
    named = [_topic(topic) for topic in topics[1:]]
    asset = named[-1][1] if named else None
    addresses = [address for address, _ in (named if asset is None else named[:-1])]
    if kind == "set_admin":
        addresses.append(content(read_scval(value), "address"))
    places = _PLACES.get((kind, len(addresses)))
    if places is None or None in addresses:
        return None
    data = _DATA[kind](value)
    if data is None:
        return None
    sender, receiver, admin = places
    addresses.append(None)
    where = addresses[sender], addresses[receiver], addresses[admin]
    return TokenOperation(_NUMBERS[kind], asset, where, data)


def _topic(topic: bytes) -> tuple[str | None, str | None]:
    """Read the address or the string that a topic holds, if it holds one of these."""
    return _remembered(topic) if len(topic) <= MAX_REMEMBERED else _address_or_string(topic)


def _address_or_string(topic: bytes) -> tuple[str | None, str | None]:
    value = read_scval(topic)
    return content(value, "address"), content(value, "string")


_remembered = lru_cache(maxsize=8192)(_address_or_string)


def _moved(value: bytes) -> _Data | None:
    """Read i128, or a map with the amount and the muxed destination, if any."""
    if value.startswith(_I128):
        return _amount(value)
    entries = symbol_map(read_scval(value)) or {}
    amount = content(entries.get("amount"), "i128")
    muxed = _muxed(entries.get("to_muxed_id", "void"))
    return None if amount is None or muxed is None else (int(amount), None, None, *muxed)


def _amount(value: bytes) -> _Data | None:
    if not value.startswith(_I128):
        return None
    return int.from_bytes(value[4:], "big", signed=True), None, None, None, None


def _muxed(value: Json) -> tuple[str | None, str | None] | None:
    if value == "void":
        return None, None
    for kind in ("u64", "string", "bytes"):
        muxed = content(value, kind)
        if muxed is not None:
            return muxed, kind
    return None


def _allowance(value: bytes) -> _Data | None:
    """Read the amount and the last ledger: a vec of both, or a map that names them."""
    read = read_scval(value)
    entries = symbol_map(read)
    if entries is None:
        parts = content(read, "vec") or []
    else:
        parts = [entries.get("amount"), entries.get("live_until_ledger")]
    if len(parts) != 2:
        return None
    amount, ledger = content(parts[0], "i128"), content(parts[1], "u32")
    return None if amount is None or ledger is None else (int(amount), None, ledger, None, None)


def _authorized(value: bytes) -> _Data | None:
    flag = content(read_scval(value), "bool")
    return None if flag is None else (None, flag, None, None, None)


def _no_data(_: bytes) -> _Data:
    return None, None, None, None, None


_DATA: dict[str, Callable[[bytes], _Data | None]] = {
    "transfer": _moved,
    "mint": _moved,
    "burn": _moved,
    "clawback": _moved,
    "approve": _allowance,
    "set_authorized": _authorized,
    "set_admin": _no_data,
    "fee": _amount,
}
#: Types of token operations, in the order of their numbers.
TYPES = tuple(_DATA)
_NUMBERS = {kind: number for number, kind in enumerate(TYPES)}
FEE = _NUMBERS["fee"]


def _symbol(name: str) -> bytes:
    """Encode the SCVal of a symbol."""
    raw = name.encode()
    return pack(">II", 15, len(raw)) + raw + bytes(-len(raw) % 4)


_I128 = bytes([0, 0, 0, 10])
_KINDS = {_symbol(name): name for name in TYPES}
