"""Types that hold others: optional values, arrays, structs and unions.

Each describes the lines that read it in two forms, write its JSON, and skip it; see `straight`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, repeat
from typing import TypeAlias

from sorobanflow.decode.reader import (
    UNBOUNDED,
    count_items,
    no_arm,
    no_flag,
    uint32,
    unpacked,
)
from sorobanflow.decode.straight import Code, XdrType

_Shown: TypeAlias = Callable[[str | None, str | None], str]  # writes an arm and its content
_MIN_LOOKED_UP = 6  # arms from which a union looks up its arm, and calls what reads that


def _number(code: Code) -> str:
    """Add the lines that read a uint32."""
    number = code.variable()
    code.add(f"{number}, = {code.bind(uint32)}(data, at)")
    code.add("at += 4")
    return number


def _present(code: Code) -> str:
    """Add the lines that read whether a value is present."""
    flag = _number(code)
    code.add(f"if {flag} > 1: {code.bind(no_flag)}({flag}, at - 4)")
    return f"if {flag}:"


class _OfItems(XdrType):
    """A type that holds values of one type, which `_write` reads one by one."""

    def __init__(self, item: XdrType, limit: int = 1) -> None:
        self._item, self._limit = item, limit

    def write_read(self, code: Code) -> str:
        return self._write(code, self._item.write_read)

    def write_parts(self, code: Code) -> str:
        return self._write(code, self._item.write_parts)

    def _write(self, code: Code, write: Callable[[Code], str]) -> str:
        raise NotImplementedError


class _Optional(_OfItems):
    def _write(self, code: Code, write: Callable[[Code], str]) -> str:
        value = code.variable()
        code.add(f"{value} = None")
        with code.block(_present(code)):
            code.add(f"{value} = {write(code)}")
        return value

    def write_text(self, code: Code) -> str:
        text = code.variable()
        code.add(f"{text} = 'null'")
        with code.block(_present(code)):
            code.add(f"{text} = f'{self._item.write_text(code)}'")
        return f"{{{text}}}"

    def write_skip(self, code: Code) -> None:
        with code.block(_present(code)):
            self._item.write_skip(code)


def optional(item: XdrType) -> XdrType:
    """Describe a value that may be absent: null."""
    return _Optional(item)


class _Array(_OfItems):
    def _write(self, code: Code, write: Callable[[Code], str]) -> str:
        values, count = code.variable(), self._count(code)
        code.add(f"{values} = []")
        with code.block(f"for _ in range({count}):"):
            code.add(f"{values}.append({write(code)})")
        return values

    def write_text(self, code: Code) -> str:
        texts, count = code.variable(), self._count(code)
        code.add(f"{texts} = []")
        with code.block(f"for _ in range({count}):"):
            code.add(f"{texts}.append(f'{self._item.write_text(code)}')")
        return f"[{{{code.bind(','.join)}({texts})}}]"

    def write_skip(self, code: Code) -> None:
        count = self._count(code)
        if self._item.size is not None:
            code.add(f"at += {count} * {self._item.size}")
            return
        with code.block(f"for _ in range({count}):"):
            self._item.write_skip(code)

    def _count(self, code: Code) -> str:
        count = _number(code)  # most arrays are empty
        code.add(f"if {count}: {code.bind(count_items)}(data, at - 4, {self._limit})")
        return count


def array(item: XdrType, limit: int = UNBOUNDED) -> XdrType:
    """Describe an array of variable length."""
    return _Array(item, limit)


class _Struct(XdrType):
    def __init__(self, fields: Mapping[str, XdrType]) -> None:
        self._fields = fields
        sizes = [field.size for field in fields.values()]
        self.size = None if None in sizes else sum(size or 0 for size in sizes)

    def write_read(self, code: Code) -> str:
        pairs = [
            f"{name!r}: {kind.write_read(code) if value is None else kind.formed(code, value)}"
            for name, kind, value in self._each(code)
        ]
        return f"{{{', '.join(pairs)}}}"

    def write_parts(self, code: Code) -> str:
        values = [
            kind.write_parts(code) if value is None else kind.parted(code, value)
            for _, kind, value in self._each(code)
        ]
        return f"({', '.join(values)},)"

    def write_text(self, code: Code) -> str:
        pairs = [
            f'"{name}":{kind.write_text(code) if value is None else kind.formed_text(code, value)}'
            for name, kind, value in self._each(code)
        ]
        return f"{{{{{','.join(pairs)}}}}}"

    def _each(self, code: Code) -> Iterator[tuple[str, XdrType, str | None]]:
        """Give the fields; neighbours of constant size are unpacked together, by lines added."""
        for is_plain, group in groupby(self._fields.items(), lambda item: item[1].code != ""):
            neighbours = dict(group)
            values = unpacked(code, [*neighbours.values()]) if is_plain else repeat(None)
            yield from zip(neighbours, neighbours.values(), values, strict=False)

    def write_skip(self, code: Code) -> None:
        for size, group in groupby(self._fields.values(), lambda field: field.size is not None):
            fields = [*group]
            if size:
                code.add(f"at += {sum(field.size or 0 for field in fields)}")
            else:
                for field in fields:
                    field.write_skip(code)


def struct(**fields: XdrType) -> XdrType:
    """Describe a struct by its fields, in order."""
    return _Struct(fields)


class _Union(XdrType):
    """A union whose form shows its arm, or (names of None) does not."""

    def __init__(self, name: str, arms: Mapping[int, tuple[str | None, XdrType | None]]) -> None:
        self._name, self._arms = name, arms

    def write_read(self, code: Code) -> str:
        return self._write(code, "read", _shown)

    def write_parts(self, code: Code) -> str:
        return self._write(code, "parts", _pair)

    def _write(self, code: Code, form: str, shown: _Shown) -> str:
        """Add the lines that read a value in a form, whose expression `shown` writes."""
        arm, value = _number(code), code.variable()
        if len(self._arms) >= _MIN_LOOKED_UP:
            name, kind = self._looked_up(code, arm)
            code.add(f"{value} = {shown(name, None)}")
            with code.block(f"if {kind} is not None:"):
                code.add(f"{value}, at = {kind}.{form}(data, at)")
                code.add(f"{value} = {shown(name, value)}")
        else:
            for arm_name, arm_kind in self._each(code, arm):
                content = None if arm_kind is None else getattr(arm_kind, f"write_{form}")(code)
                code.add(f"{value} = {shown(arm_name and repr(arm_name), content)}")
        return value

    def write_text(self, code: Code) -> str:
        arm, text = _number(code), code.variable()
        if len(self._arms) >= _MIN_LOOKED_UP:
            name, kind = self._looked_up(code, arm)
            shown = _shown_text(f"{{{name}}}", None)
            code.add(f"{text} = f'{shown}'")
            with code.block(f"if {kind} is not None:"):
                code.add(f"{text}, at = {kind}.text(data, at)")
                shown = _shown_text(f"{{{name}}}", f"{{{text}}}")
                code.add(f"{text} = f'{shown}'")
        else:
            for arm_name, arm_kind in self._each(code, arm):
                content = None if arm_kind is None else arm_kind.write_text(code)
                code.add(f"{text} = f'{_shown_text(arm_name, content)}'")
        return f"{{{text}}}"

    def write_skip(self, code: Code) -> None:
        _, kind = self._looked_up(code, _number(code))
        code.add(f"if {kind} is not None: at = {kind}.skip(data, at)")

    def _looked_up(self, code: Code, arm: str) -> tuple[str, str]:
        """Add the line that looks up an arm; give the variables of its name and type."""
        name, kind = code.variable(), code.variable()
        found = f"{code.bind(self._arms.get)}({arm})"
        code.add(f"{name}, {kind} = {found} or {code.bind(no_arm)}({self._name!r}, {arm})")
        return name, kind

    def _each(self, code: Code, arm: str) -> Iterator[tuple[str | None, XdrType | None]]:
        """Give the arms; the lines that are added meanwhile stand in a block of the arm."""
        for number, named in self._arms.items():
            with code.block(f"{'if' if number == min(self._arms) else 'elif'} {arm} == {number}:"):
                yield named
        code.add(f"else: {code.bind(no_arm)}({self._name!r}, {arm})")


def _shown(name: str | None, content: str | None) -> str:
    """Write the SEP-51 form of an arm; one without a value is written as its name."""
    if name is None or content is None:
        return f"{name or content}"
    return f"{{{name}: {content}}}"


def _pair(name: str | None, content: str | None) -> str:
    return f"{content}" if name is None else f"({name}, {content})"


def _shown_text(name: str | None, content: str | None) -> str:
    """Write the JSON of an arm, as part of an f'…'."""
    if content is None:
        return f'"{name}"'
    return content if name is None else f'{{{{"{name}":{content}}}}}'


def union(name: str, arms: Mapping[int, tuple[str, XdrType | None]]) -> XdrType:
    """Describe a union by its arms; an arm without a value is written as its name."""
    return _Union(name, arms)


def selected(name: str, arms: Mapping[int, XdrType]) -> XdrType:
    """Describe a union whose SEP-51 form does not show the arm."""
    return _Union(name, {number: (None, kind) for number, kind in arms.items()})
