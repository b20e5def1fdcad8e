"""Read an SCVal in its SEP-51 form, or as its JSON.

An absent vec or map, which stellar-sdk cannot read, is null.

Invariant: values nest at most MAX_DEPTH deep, so a hostile value cannot exhaust the stack.
Source: Stellar-contract.x.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from sorobanflow.decode.reader import Json, count_items, flag, no_arm, skip_opaque, uint32, whole
from sorobanflow.decode.scval_leaves import EXECUTABLE, LEAVES, SYMBOL_LIMIT
from sorobanflow.decode.straight import ByHand

#: Containers within containers. The host allows 100; Python's stack is enough for 400.
MAX_DEPTH = 200

_Nested: TypeAlias = Callable[[bytes, int, int], tuple[Any, int]]

_SYMBOL, _VEC, _MAP, _INSTANCE = 15, 16, 17, 19


def _read(data: bytes, at: int, depth: int = 0) -> tuple[Json, int]:
    (arm,) = uint32(data, at)
    leaf = LEAVES.get(arm)
    if leaf is None:
        return _container(arm, depth).read(data, at + 4, depth + 1)
    return leaf.read(data, at + 4)


def _text(data: bytes, at: int, depth: int = 0) -> tuple[str, int]:
    (arm,) = uint32(data, at)
    leaf = LEAVES.get(arm)
    if leaf is None:
        return _container(arm, depth).text(data, at + 4, depth + 1)
    return leaf.text(data, at + 4)


def _container(arm: int, depth: int) -> "_Container":
    container = _CONTAINERS.get(arm) or no_arm("SCVal", arm)
    if depth >= MAX_DEPTH:
        raise ValueError(f"SCVal nests deeper than {MAX_DEPTH}")
    return container


class _Container(NamedTuple):
    """Functions of bytes, a position and how deep what it holds is nested."""

    read: _Nested
    text: _Nested


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


def _vec_text(data: bytes, at: int, depth: int) -> tuple[str, int]:
    if not flag(data, at):
        return '{"vec":null}', at + 4
    count = count_items(data, at + 4)
    at += 8
    items = []
    for _ in range(count):
        item, at = _text(data, at, depth)
        items.append(item)
    return f'{{"vec":[{",".join(items)}]}}', at


def _map_text(data: bytes, at: int, depth: int) -> tuple[str, int]:
    entries, at = _entries_text(data, at, depth)
    return f'{{"map":{entries}}}', at


def _entries_text(data: bytes, at: int, depth: int) -> tuple[str, int]:
    if not flag(data, at):
        return "null", at + 4
    count = count_items(data, at + 4)
    at += 8
    entries = []
    for _ in range(count):
        key, at = _text(data, at, depth)
        val, at = _text(data, at, depth)
        entries.append(f'{{"key":{key},"val":{val}}}')
    return f"[{','.join(entries)}]", at


def _instance_text(data: bytes, at: int, depth: int) -> tuple[str, int]:
    executable, at = EXECUTABLE.text(data, at)
    storage, at = _entries_text(data, at, depth)
    return f'{{"contract_instance":{{"executable":{executable},"storage":{storage}}}}}', at


_CONTAINERS = {
    _VEC: _Container(_read_vec, _vec_text),
    _MAP: _Container(_read_map, _map_text),
    _INSTANCE: _Container(_read_instance, _instance_text),
}


def skip_value(data: bytes, at: int) -> int:
    """Skip an SCVal."""
    (arm,) = uint32(data, at)
    leaf = LEAVES.get(arm)
    return skip_values(data, at, 1) if leaf is None else leaf.skip(data, at + 4)


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


_SIZES = {arm: leaf.size for arm, leaf in LEAVES.items() if leaf.size is not None}
_SKIPS = {arm: leaf.skip for arm, leaf in LEAVES.items() if leaf.size is None}

SC_VAL = ByHand(_read, skip_value, text=_text)

#: Read bytes; a DecodeError if they are not exactly one value, or it nests too deeply.
read_scval = whole("SCVal", _read)
