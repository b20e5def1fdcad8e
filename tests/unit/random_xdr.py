"""Random values of any of stellar-sdk's XDR types, for the tests of decode.

stellar-sdk's own unpackers say what they want next; instead of bytes they are given
what is drawn. So every type that can be unpacked can be drawn, and nothing here
repeats how a type is put together.
"""

import re
import sys
from collections import Counter
from enum import Enum
from functools import cache
from itertools import accumulate
from random import Random
from types import FrameType
from typing import Any

from xdrlib3 import Unpacker

_ENOUGH = bytes(1 << 16)
_DEEPEST = 24  # classes within classes; arrays are empty from there
_MAX_LENGTH = 80
_UNSIGNED, _SIGNED = (0, 1, 2**31, 2**32 - 1), (0, -1, -(2**31), 2**31 - 1)
#: The codes that have more within; most of the others only bear a name.
_OFTEN = ("txSUCCESS", "txFAILED", "txFEE_BUMP_INNER_SUCCESS", "txFEE_BUMP_INNER_FAILED", "opINNER")
_BRACES = {"{": 1, "}": -1}
_CASES = re.compile(r"^\s*case (\w+):", re.MULTILINE)


class Drawing(Unpacker):  # type: ignore[misc] # xdrlib3 has no types
    """An unpacker that makes up what it gives; counts the members of enums by name."""

    def __init__(self, seed: int, drawn: Counter[str]) -> None:
        super().__init__(b"")
        self._random = Random(seed)
        self._drawn = drawn

    def get_buffer(self) -> bytes:
        """As long as any array that is drawn."""
        return _ENOUGH

    def unpack_int(self) -> int:
        """Draw an enum's value, a version or a number, by who asks."""
        asking = _caller()
        kind = asking.f_locals.get("cls")
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._enum(kind, _class_of(asking.f_back))
        versions = _cases(_class_of(asking.f_back))
        if versions:
            return int(self._random.choice(versions))
        return self._random.choice((*_SIGNED, self._random.randint(-(2**31), 2**31 - 1)))

    def unpack_uint(self) -> int:
        """Draw a number, the length of a text, the length of an array, or a flag."""
        asking = _caller()
        name = asking.f_code.co_qualname
        if name == "UnsignedInteger.unpack":
            return self._random.choice((*_UNSIGNED, self._random.randint(0, 2**32 - 1)))
        if name in ("String.unpack", "Opaque.unpack"):
            limit = asking.f_locals.get("max_size", asking.f_locals.get("size"))
            return self._random.choice((0, self._random.randint(0, min(limit, _MAX_LENGTH))))
        depth = 512 - asking.f_locals["depth_limit"]
        return self._random.choice((0, 1, 1, 2)) if depth < _DEEPEST else 0

    def unpack_hyper(self) -> int:
        """Draw a signed 64-bit number."""
        return self._random.choice((0, -(2**63), 2**63 - 1, self._random.randint(-99, 2**40)))

    def unpack_uhyper(self) -> int:
        """Draw an unsigned 64-bit number."""
        return self._random.choice((0, 2**64 - 1, self._random.randint(0, 2**40)))

    def unpack_bool(self) -> bool:
        """Draw a flag."""
        return self._random.choice((True, False))

    def unpack_fopaque(self, n: int) -> bytes:
        """Draw bytes: any, letters, or letters and zeros as asset codes have them."""
        letters = bytes(self._random.choices(b"ABCDxyz09 _", k=n))
        short = letters[: self._random.randint(0, n)].ljust(n, b"\0")
        return self._random.choice((self._random.randbytes(n), letters, short))

    def _enum(self, kind: type[Enum], union: type | None) -> int:
        """Draw one of those that were drawn least, so that all of them come soon."""
        cases = _cases(union)
        members = [member for member in kind if member.name in cases] or list(kind)
        often = [member for member in members if member.name in _OFTEN]
        if often and self._random.random() < 0.7:
            members = often
        self._random.shuffle(members)
        member = min(members, key=lambda member: self._drawn[_name(member)])
        self._drawn[_name(member)] += 1
        return int(member.value)


def draw(kind: type[Any], seed: int, drawn: Counter[str] | None = None) -> Any:
    """Draw a value of a class of stellar_sdk.xdr.

    Args:
        kind: The class.
        seed: Decides the value.
        drawn: Counts the members of enums, by names such as "MemoType.MEMO_TEXT".
    """
    return kind.unpack(Drawing(seed, Counter() if drawn is None else drawn))


def _name(member: Enum) -> str:
    return f"{type(member).__name__}.{member.name}"


def _caller() -> FrameType:
    """Who asks the unpacker."""
    return sys._getframe(2)


def _class_of(frame: FrameType | None) -> type | None:
    return None if frame is None else frame.f_locals.get("cls")


@cache
def _cases(union: type | None) -> list[str]:
    """The cases of a union, as its XDR in the docstring names them; not those of one within."""
    text = (union and union.__doc__) or ""
    head, _, body = text.partition("{")
    if "switch" not in head:
        return []
    depths = accumulate(body, lambda depth, char: depth + _BRACES.get(char, 0), initial=1)
    outer = (char for char, depth in zip(body, depths, strict=False) if depth == 1)
    return _CASES.findall("".join(outer))
