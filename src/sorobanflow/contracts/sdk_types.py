"""The types of soroban_sdk that specs name but do not declare: what `__check_auth` is given.

Source: rs-soroban-sdk, auth.rs.
"""

from sorobanflow.contracts.types import (
    VAL,
    BytesN,
    Case,
    Declared,
    Field,
    Named,
    Plain,
    Struct,
    Union,
    Vec,
)

_VALUES = Vec(VAL)
_CREATED = (Field("executable", Named("ContractExecutable")), Field("salt", BytesN(32)))
_CALLED = (
    Field("contract", Plain("address")),
    Field("fn_name", Plain("symbol")),
    Field("args", _VALUES),
)
_WITH_CONSTRUCTOR = "CreateContractWithConstructorHostFnContext"
_CONTEXTS = {
    "Contract": "ContractContext",
    "CreateContractHostFn": "CreateContractHostFnContext",
    "CreateContractWithCtorHostFn": _WITH_CONSTRUCTOR,
}
_TYPES: list[Declared] = [
    Union("Context", tuple(Case(case, (Named(name),)) for case, name in _CONTEXTS.items())),
    Struct("ContractContext", _CALLED),
    Struct("CreateContractHostFnContext", _CREATED),
    Struct(_WITH_CONSTRUCTOR, (*_CREATED, Field("constructor_args", _VALUES))),
    Union("ContractExecutable", (Case("Wasm", (BytesN(32),)),)),
]
SDK_TYPES = {one.name: one for one in _TYPES}
