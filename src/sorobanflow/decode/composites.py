"""Types that hold others: optional values, arrays, structs, trees and unions.

Decoding spends most time here, so what can be decided when a type is described is decided then.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from struct import Struct
from typing import TypeAlias

from sorobanflow.decode.reader import (
    UNBOUNDED,
    Json,
    Read,
    Skip,
    T,
    XdrType,
    count_items,
    fixed,
    flag,
    no_arm,
    uint32,
)

_Fill: TypeAlias = Callable[[bytes, int, dict[str, Json]], int]


def optional(item: XdrType) -> XdrType:
    """Describe a value that may be absent: null."""
    read, skip = item.read, item.skip
    return XdrType(
        lambda data, at: read(data, at + 4) if flag(data, at) else (None, at + 4),
        lambda data, at: skip(data, at + 4) if flag(data, at) else at + 4,
    )


def array(item: XdrType, limit: int = UNBOUNDED) -> XdrType:
    """Describe an array of variable length."""
    read_item, skip_item = item.read, item.skip

    def read(data: bytes, at: int) -> tuple[Json, int]:
        count = count_items(data, at, limit)
        at += 4
        values = []
        for _ in range(count):
            value, at = read_item(data, at)
            values.append(value)
        return values, at

    def skip(data: bytes, at: int) -> int:
        count = count_items(data, at, limit)
        at += 4
        for _ in range(count):
            at = skip_item(data, at)
        return at

    return XdrType(read, skip)


def struct(**fields: XdrType) -> XdrType:
    """Describe a struct by its fields, in order."""
    steps = list(_steps(fields))
    skips = list(_joined_skips(fields.values()))

    def read(data: bytes, at: int) -> tuple[Json, int]:
        value: dict[str, Json] = {}
        for name, read_field, fill in steps:
            if fill is None:
                value[name], at = read_field(data, at)
            else:
                at = fill(data, at, value)
        return value, at

    def skip(data: bytes, at: int) -> int:
        for skip_field in skips:
            at = skip_field(data, at)
        return at

    return XdrType(read, skip)


def _steps(fields: Mapping[str, XdrType]) -> Iterator[tuple[str, Read, _Fill | None]]:
    """Plan how the fields are read; neighbours of constant size take one step together."""
    for is_plain, group in groupby(fields.items(), lambda item: item[1].code != ""):
        neighbours = dict(group)
        first, field = next(iter(neighbours.items()))
        if is_plain and len(neighbours) > 1:
            yield first, field.read, _fill(neighbours)
        else:
            yield from ((name, field.read, None) for name, field in neighbours.items())


def _fill(fields: Mapping[str, XdrType]) -> _Fill:
    layout = Struct(">" + "".join(field.code for field in fields.values()))
    unpack, size = layout.unpack_from, layout.size
    names = tuple(fields)
    forms = tuple(field.form for field in fields.values())

    def fill(data: bytes, at: int, value: dict[str, Json]) -> int:
        for name, form, item in zip(names, forms, unpack(data, at), strict=True):
            value[name] = item if form is None else form(item)
        return at + size

    return fill


def _joined_skips(fields: Iterable[XdrType]) -> Iterator[Skip]:
    """Plan how the fields are skipped; neighbours of constant size take one step together."""
    for is_sized, group in groupby(fields, lambda field: field.size is not None):
        if is_sized:
            yield fixed(sum(field.size or 0 for field in group)).skip
        else:
            yield from (field.skip for field in group)


def tree(name: str, children: str, depth: int, **fields: XdrType) -> XdrType:
    """Describe a struct whose last field, `children`, is an array of the struct itself."""
    head = struct(**fields)

    def read(data: bytes, at: int, outer: int = 0) -> tuple[Json, int]:
        value, at = head.read(data, at)
        count = count_items(data, at)
        if count and outer == depth:
            raise ValueError(f"{name} nests deeper than {depth}")
        at += 4
        items = value[children] = []
        for _ in range(count):
            item, at = read(data, at, outer + 1)
            items.append(item)
        return value, at

    return XdrType(read, lambda data, at: read(data, at)[1])


def union(name: str, arms: Mapping[int, tuple[str, XdrType | None]]) -> XdrType:
    """Describe a union by its arms; an arm without a value is written as its name."""
    find = {value: (arm, kind and kind.read) for value, (arm, kind) in arms.items()}.get

    def read(data: bytes, at: int) -> tuple[Json, int]:
        (value,) = uint32(data, at)
        arm, read_content = find(value) or no_arm(name, value)
        if read_content is None:
            return arm, at + 4
        content, at = read_content(data, at + 4)
        return {arm: content}, at

    skips = {value: kind.skip if kind else _skip_nothing for value, (_, kind) in arms.items()}
    return XdrType(read, _chosen(name, skips))


def _skip_nothing(_: bytes, at: int) -> int:
    return at


def selected(name: str, arms: Mapping[int, XdrType]) -> XdrType:
    """Describe a union whose SEP-51 form does not show the arm."""
    reads = {value: kind.read for value, kind in arms.items()}
    skips = {value: kind.skip for value, kind in arms.items()}
    return XdrType(_chosen(name, reads), _chosen(name, skips))


def _chosen(name: str, steps: Mapping[int, Callable[[bytes, int], T]]) -> Callable[[bytes, int], T]:
    find = steps.get

    def step(data: bytes, at: int) -> T:
        (value,) = uint32(data, at)
        found = find(value) or no_arm(name, value)
        return found(data, at + 4)

    return step
