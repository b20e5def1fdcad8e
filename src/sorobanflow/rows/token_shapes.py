"""Recognize the events that state a token operation (SEP-41, CAP-67).

A shape is the name in the first topic, then one or two addresses, then for an
asset contract the asset as a string, and data of the operation's kind. The
string is what tells `[mint, to, asset]` from `[mint, admin, to]`, and with it
today's shapes from those before protocol 23, which name the admin as well.
Invariant: any contract may emit an event of these names, so another shape is
not an error but no token operation. Whether the asset is genuine is left to
`rows.tokens`.
"""

from collections.abc import Callable
from typing import NamedTuple

from sorobanflow.decode.events import DecodedEvent
from sorobanflow.decode.reader import Json
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import i128, text, u32, u64

#: Which column each address topic fills, by name of the event and number of addresses.
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


class TokenOperation(NamedTuple):
    """What an event states; `asset` is the asset that it claims to be of."""

    type: str
    asset: str | None
    from_address: str | None = None
    to_address: str | None = None
    admin_address: str | None = None
    amount: int | None = None
    authorized: bool | None = None
    live_until_ledger: int | None = None
    to_muxed_id: str | None = None
    to_muxed_type: str | None = None


def read_token_operation(decoded: DecodedEvent) -> TokenOperation | None:
    """Read the token operation that an event states; None where it states none.

    Raises:
        DecodeError: the shape is right and a value does not hold its type.
    """
    kind = _content(decoded.topics[0], "symbol") if decoded.topics else None
    if not isinstance(kind, str) or kind not in _DATA:
        return None
    topics, asset = _split(decoded.topics[1:])
    columns = _ADDRESS_COLUMNS.get((kind, len(topics)))
    data = _DATA[kind](decoded.value)
    if columns is None or data is None or None in topics:
        return None
    addresses = zip(columns, topics, strict=True)
    named: Columns = {column: address(topic) for column, topic in addresses}
    return TokenOperation(type=kind, asset=asset, **named, **data)


def _split(topics: list[Json]) -> tuple[list[Json], str | None]:
    asset = _content(topics[-1], "string") if topics else None
    addresses = topics if asset is None else topics[:-1]
    return [_content(topic, "address") for topic in addresses], asset


def _content(value: Json, arm: str) -> Json:
    """Give the content of a union where it is of this arm, else None."""
    return value.get(arm) if isinstance(value, dict) else None


def _entries(value: Json) -> Columns | None:
    """Give a map with symbols as keys, else None."""
    entries = _content(value, "map")
    if entries is None:
        return None
    return {_content(entry["key"], "symbol"): entry["val"] for entry in entries}


def _moved(value: Json) -> Columns | None:
    """Read i128, or a map with the amount and the muxed destination, if any."""
    entries = _entries(value)
    if entries is None:
        return _amount(value)
    amount = _amount(entries.get("amount"))
    muxed = _muxed(entries.get("to_muxed_id", "void"))
    return None if amount is None or muxed is None else {**amount, **muxed}


def _amount(value: Json) -> Columns | None:
    amount = _content(value, "i128")
    return None if amount is None else {"amount": i128(amount)}


def _muxed(value: Json) -> Columns | None:
    if value == "void":
        return {}
    for kind in ("u64", "string", "bytes"):
        content = _content(value, kind)
        if content is not None:
            muxed_id = str(u64(content)) if kind == "u64" else text(content)
            return {"to_muxed_id": muxed_id, "to_muxed_type": kind}
    return None


def _allowance(value: Json) -> Columns | None:
    """Read the amount and the last ledger: a vec of two, or a map that names them."""
    entries = _entries(value)
    if entries is None:
        parts = _content(value, "vec") or []
    else:
        parts = [entries.get("amount"), entries.get("live_until_ledger")]
    if len(parts) != 2:
        return None
    amount, ledger = _amount(parts[0]), _content(parts[1], "u32")
    if amount is None or ledger is None:
        return None
    return {**amount, "live_until_ledger": u32(ledger)}


def _authorized(value: Json) -> Columns | None:
    flag = _content(value, "bool")
    return {"authorized": flag} if isinstance(flag, bool) else None


def _new_admin(value: Json) -> Columns | None:
    admin = _content(value, "address")
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
