"""The SCVals that hold no others, as tables of `reader`. Source: Stellar-contract.x."""

from sorobanflow.decode import reader
from sorobanflow.decode.composites import struct, union
from sorobanflow.decode.reader import HASH, INT32, INT64, UINT32, UINT64, flag
from sorobanflow.decode.straight import ByHand, XdrType
from sorobanflow.decode.strkeys import SC_ADDRESS

SYMBOL_LIMIT = 32

_ERROR_TYPES = [
    *("contract", "wasm_vm", "context", "storage", "object", "crypto"),
    *("events", "budget", "value", "auth"),
]
_ERROR_CODE = reader.enum(
    "SCErrorCode",
    [
        *("arith_domain", "index_bounds", "invalid_input", "missing_value", "existing_value"),
        *("exceeded_limit", "invalid_action", "internal_error", "unexpected_type"),
        "unexpected_size",
    ],
)
_ERROR = union(
    "SCError",
    {0: ("contract", UINT32)}
    | {arm: (name, _ERROR_CODE) for arm, name in enumerate(_ERROR_TYPES) if arm},
)
_STRING = reader.opaque(reader.escape)
SYMBOL = reader.opaque(reader.escape, SYMBOL_LIMIT)
EXECUTABLE = union(
    "ContractExecutable",
    {
        0: ("wasm", HASH),
        1: ("stellar_asset", None),
        2: ("external_ref", struct(executable_owner=SC_ADDRESS, tag=_STRING)),
    },
)


def _wide(size: int, signed: bool) -> XdrType:
    return reader.plain(f"{size}s", lambda value: str(int.from_bytes(value, "big", signed=signed)))


def _name(name: str) -> XdrType:
    text = f'"{name}"'
    return ByHand(lambda _, at: (name, at), lambda _, at: at, 0, lambda _, at: (text, at))


_BOOL = ByHand(
    lambda data, at: (flag(data, at), at + 4),
    lambda data, at: (flag(data, at), at + 4)[1],
    text=lambda data, at: ("true" if flag(data, at) else "false", at + 4),
)
#: By SCValType: the SCVals that hold no others, in a form that shows their arm.
LEAVES: dict[int, XdrType] = {1: _name("void"), 20: _name("ledger_key_contract_instance")}
_CONTENTS = {
    0: ("bool", _BOOL),
    2: ("error", _ERROR),
    3: ("u32", UINT32),
    4: ("i32", INT32),
    5: ("u64", UINT64),
    6: ("i64", INT64),
    7: ("timepoint", UINT64),
    8: ("duration", UINT64),
    9: ("u128", _wide(16, signed=False)),
    10: ("i128", _wide(16, signed=True)),
    11: ("u256", _wide(32, signed=False)),
    12: ("i256", _wide(32, signed=True)),
    13: ("bytes", reader.opaque(bytes.hex)),
    14: ("string", _STRING),
    15: ("symbol", SYMBOL),
    18: ("address", SC_ADDRESS),
    21: ("ledger_key_nonce", struct(nonce=INT64)),
    22: ("executable_tag", _STRING),
}
LEAVES |= {arm: struct(**{name: kind}) for arm, (name, kind) in _CONTENTS.items()}
