"""Parameters of a call, read as the node's JSON decoding reads them.

A member of the wrong JSON type fails the whole call before anything else is
checked. Absent or null members have zero values. Unknown members are ignored.
"""

from collections.abc import Iterator
from typing import Any

MAX_U32 = 2**32 - 1


class BadParams(Exception):
    """The parameters cannot be decoded: code -32602, with this text as data."""


class Params:
    """An object of parameters.

    Args:
        members: The JSON object; None means `{}`.
    """

    def __init__(self, members: object) -> None:
        if members is None:
            members = {}
        if not isinstance(members, dict):
            raise BadParams(f"json: cannot unmarshal {_kind(members)} into Go value of type struct")
        self._members = members

    def u32(self, name: str) -> int:
        """Read an unsigned number; 0 if absent."""
        value = self._members.get(name)
        if value is None:
            return 0
        if type(value) is not int or not 0 <= value <= MAX_U32:
            raise BadParams(
                f"json: cannot unmarshal {_kind(value)} into Go struct field {name} of type uint32"
            )
        return value

    def has(self, name: str) -> bool:
        """Whether the member is present and not null."""
        return self._members.get(name) is not None

    def text(self, name: str) -> str:
        """Read a string; empty if absent."""
        return text(self._members.get(name, ""))

    def array(self, name: str) -> list[Any]:
        """Read an array; empty if absent."""
        return items(self._members.get(name))

    def object(self, name: str) -> "Params":
        """Read an object; an empty one if absent."""
        return Params(self._members.get(name))

    def objects(self, name: str) -> Iterator["Params"]:
        """Read an array of objects."""
        return (Params(each) for each in self.array(name))


def text(value: object) -> str:
    """Read a value as a string; null is empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadParams(f"json: cannot unmarshal {_kind(value)} into Go value of type string")
    return value


def items(value: object) -> list[Any]:
    """Read a value as an array; null is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadParams(f"json: cannot unmarshal {_kind(value)} into Go value of type array")
    return value


def _kind(value: object) -> str:
    kinds = {bool: "bool", str: "string", dict: "object", list: "array"}
    return kinds.get(type(value), f"number {value}")
