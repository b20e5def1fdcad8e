"""The interface of asset contracts, which run no Wasm and so have no spec of their own.

Functions are those of SEP-41 and CAP-46-6. Events are CAP-67's; those from before protocol 23 also
name the admin. The asset stands in their last topic, but for a short time before protocol 20 it
did not, and tokens that follow SEP-41 leave it out: both are declared. A muxed destination is
of one of three types, which are declared apart, since a spec has no name for "one of these".
"""

from collections.abc import Iterator, Sequence
from itertools import product

from sorobanflow.contracts.spec import DataFormat, Entry, Event, Function, Param, Spec
from sorobanflow.contracts.types import VOID, Enum, Field, Member, Plain, Type

_ADDRESS, _I128, _U32, _BOOL, _STRING = map(Plain, ("address", "i128", "u32", "bool", "string"))
_MUXED = Plain("muxed_address")

_TypedNames = dict[str, Type]
_FROM: _TypedNames = {"from": _ADDRESS}
_TO: _TypedNames = {"to": _ADDRESS}
_ID: _TypedNames = {"id": _ADDRESS}
_ADMIN: _TypedNames = {"admin": _ADDRESS}
_AMOUNT: _TypedNames = {"amount": _I128}
_SPENDER: _TypedNames = {"spender": _ADDRESS}
_LIVE_UNTIL: _TypedNames = {"live_until_ledger": _U32}

#: Arguments and result, as in rs-soroban-sdk's token interfaces.
_FUNCTIONS: dict[str, tuple[_TypedNames, Type]] = {
    "allowance": (_FROM | _SPENDER, _I128),
    "approve": (_FROM | _SPENDER | _AMOUNT | _LIVE_UNTIL, VOID),
    "balance": (_ID, _I128),
    "transfer": (_FROM | {"to": _MUXED} | _AMOUNT, VOID),
    "transfer_from": (_SPENDER | _FROM | _TO | _AMOUNT, VOID),
    "burn": (_FROM | _AMOUNT, VOID),
    "burn_from": (_SPENDER | _FROM | _AMOUNT, VOID),
    "decimals": ({}, _U32),
    "name": ({}, _STRING),
    "symbol": ({}, _STRING),
    "admin": ({}, _ADDRESS),
    "authorized": (_ID, _BOOL),
    "set_authorized": (_ID | {"authorize": _BOOL}, VOID),
    "set_admin": ({"new_admin": _ADDRESS}, VOID),
    "mint": (_TO | _AMOUNT, VOID),
    "clawback": (_FROM | _AMOUNT, VOID),
    "trust": ({"addr": _ADDRESS}, VOID),
}

_MUXED_IDS: list[_TypedNames] = [
    {"to_muxed_id": Plain(name)} for name in ("u64", "bytes", "string")
]
_FLAG: _TypedNames = {"authorize": _BOOL}
_NEW_ADMIN: _TypedNames = {"new_admin": _ADDRESS}

#: Name, parameters in topics, parameters in data and their format.
_EVENTS: Sequence[tuple[str, _TypedNames, _TypedNames, DataFormat]] = [
    ("transfer", _FROM | _TO, _AMOUNT, "single_value"),
    *(("transfer", _FROM | _TO, _AMOUNT | muxed, "map") for muxed in _MUXED_IDS),
    ("mint", _TO, _AMOUNT, "single_value"),
    *(("mint", _TO, _AMOUNT | muxed, "map") for muxed in _MUXED_IDS),
    ("mint", _ADMIN | _TO, _AMOUNT, "single_value"),
    ("burn", _FROM, _AMOUNT, "single_value"),
    ("clawback", _FROM, _AMOUNT, "single_value"),
    ("clawback", _ADMIN | _FROM, _AMOUNT, "single_value"),
    ("approve", _FROM | _SPENDER, _AMOUNT | _LIVE_UNTIL, "vec"),
    ("set_authorized", _ID, _FLAG, "single_value"),
    ("set_authorized", _ADMIN | _ID, _FLAG, "single_value"),
    ("set_admin", _ADMIN, _NEW_ADMIN, "single_value"),
    ("fee", _FROM, _AMOUNT, "single_value"),
]
#: Errors by their codes, from 1 on, as in rs-soroban-env's built-in contract.
_ERRORS = (
    "InternalError",
    "OperationNotSupportedError",
    "AlreadyInitializedError",
    "UnauthorizedError",
    "AuthenticationError",
    "AccountMissingError",
    "AccountIsNotClassic",
    "NegativeAmountError",
    "AllowanceError",
    "BalanceError",
    "BalanceDeauthorizedError",
    "OverflowError",
    "TrustlineMissingError",
)
_ASSETS: tuple[_TypedNames, ...] = ({"sep0011_asset": _STRING}, {})


def _entries() -> Iterator[Entry]:
    for name, (arguments, output) in _FUNCTIONS.items():
        inputs = tuple(Field(one, kind) for one, kind in arguments.items())
        yield Function(name, inputs, output)
    errors = (Member(name, code) for code, name in enumerate(_ERRORS, start=1))
    yield Enum("ContractError", tuple(errors), is_error=True)
    for (name, topics, data, data_format), asset in product(_EVENTS, _ASSETS):
        params = [Param(one, kind, in_topics=True) for one, kind in (topics | asset).items()]
        params += [Param(one, kind, in_topics=False) for one, kind in data.items()]
        yield Event(name, (name,), tuple(params), data_format)


ASSET_SPEC = Spec(tuple(_entries()))
