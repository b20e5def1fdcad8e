"""Read an SCVal in its SEP-51 form; an absent vec or map, which stellar-sdk cannot read, is null.

Invariant: values nest at most MAX_DEPTH deep, so a hostile value cannot exhaust the stack. A value
of contract data takes 14 µs, stellar-sdk 120 (medians). Source: Stellar-contract.x.
"""

from collections.abc import Callable
from typing import TypeAlias

from sorobanflow.decode import reader
from sorobanflow.decode.composites import struct, union
from sorobanflow.decode.reader import (
    HASH,
    INT32,
    INT64,
    UINT32,
    UINT64,
    Json,
    count_items,
    flag,
    no_arm,
    skip_opaque,
    uint32,
    whole,
)
from sorobanflow.decode.straight import ByHand, XdrType
from sorobanflow.decode.strkeys import SC_ADDRESS

#: Containers within containers. The host allows 100; Python's stack is enough for 400.
MAX_DEPTH = 200
SYMBOL_LIMIT = 32

_ReadNested: TypeAlias = Callable[[bytes, int, int], tuple[Json, int]]

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


_BOOL = ByHand(lambda data, at: (flag(data, at), at + 4), lambda _, at: at + 4, 4)

_LEAVES: dict[int, tuple[str, XdrType | None]] = {
    0: ("bool", _BOOL),
    1: ("void", None),
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
    20: ("ledger_key_contract_instance", None),
    21: ("ledger_key_nonce", struct(nonce=INT64)),
    22: ("executable_tag", _STRING),
}
_SYMBOL, _VEC, _MAP, _INSTANCE = 15, 16, 17, 19


def _read(data: bytes, at: int, depth: int = 0) -> tuple[Json, int]:
    (arm,) = uint32(data, at)
    leaf = _LEAVES.get(arm)
    if leaf is None:
        return _container(arm, depth)(data, at + 4, depth + 1)
    name, kind = leaf
    if kind is None:
        return name, at + 4
    value, at = kind.read(data, at + 4)
    return {name: value}, at


def _container(arm: int, depth: int) -> _ReadNested:
    read = _CONTAINERS.get(arm) or no_arm("SCVal", arm)
    if depth >= MAX_DEPTH:
        raise ValueError(f"SCVal nests deeper than {MAX_DEPTH}")
    return read


def _read_vec(data: bytes, at: int, depth: int) -> tuple[Json, int]:
    if not flag(data, at):
        return {"vec": None}, at + 4
    count = count_items(data, at + 4)
    at += 8
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth)
        items.append(item)
    return {"vec": items}, at


def _read_map(data: bytes, at: int, depth: int) -> tuple[Json, int]:
    entries, at = _read_entries(data, at, depth)
    return {"map": entries}, at


def _read_entries(data: bytes, at: int, depth: int) -> tuple[Json, int]:
    if not flag(data, at):
        return None, at + 4
    count = count_items(data, at + 4)
    at += 8
    entries = []
    for _ in range(count):
        key, at = _read(data, at, depth)
        val, at = _read(data, at, depth)
        entries.append({"key": key, "val": val})
    return entries, at


def _read_instance(data: bytes, at: int, depth: int) -> tuple[Json, int]:
    executable, at = EXECUTABLE.read(data, at)
    storage, at = _read_entries(data, at, depth)
    return {"contract_instance": {"executable": executable, "storage": storage}}, at


_CONTAINERS = {_VEC: _read_vec, _MAP: _read_map, _INSTANCE: _read_instance}


def skip_values(data: bytes, at: int, count: int) -> int:
    """Skip consecutive SCVals, most bytes of a meta; a loop is faster than recursion."""
    outer: list[int] = []  # how many values are left in each enclosing container
    while True:
        while count:
            count -= 1
            (arm,) = uint32(data, at)
            at += 4
            size = _SIZES.get(arm)
            if size is not None:
                at += size
            elif arm == _SYMBOL:
                at = skip_opaque(data, at, SYMBOL_LIMIT)
            elif arm in _SKIPS:
                at = _SKIPS[arm](data, at)
            else:
                _container(arm, len(outer))
                outer.append(count)
                count, at = _enter(data, at, arm)
        if not outer:
            return at
        count = outer.pop()


def _enter(data: bytes, at: int, arm: int) -> tuple[int, int]:
    """Read how many SCVals a container holds, and where they begin."""
    if arm == _INSTANCE:
        at = EXECUTABLE.skip(data, at)
    if not flag(data, at):
        return 0, at + 4
    count = count_items(data, at + 4)
    return (count if arm == _VEC else 2 * count), at + 8


_NAMED_ONLY = ByHand(lambda _, at: (None, at), lambda _, at: at, 0)
_KINDS = {arm: kind or _NAMED_ONLY for arm, (_, kind) in _LEAVES.items()}
_SIZES = {arm: kind.size for arm, kind in _KINDS.items() if kind.size is not None}
_SKIPS = {arm: kind.skip for arm, kind in _KINDS.items() if kind.size is None}

SC_VAL = ByHand(_read, lambda data, at: skip_values(data, at, 1))

#: Read bytes; a DecodeError if they are not exactly one value, or it nests too deeply.
read_scval = whole("SCVal", _read)
