"""The types of a contract's values, plain ones and those that it declares, for `spec`."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Plain:
    """A type without parameters: val, bool, void, error, u32 … i256, muxed_address."""

    name: str


@dataclass(frozen=True, slots=True)
class Option:
    """Void, or a value."""

    value: "Type"


@dataclass(frozen=True, slots=True)
class Result:
    """A value, or an error."""

    ok: "Type"
    error: "Type"


@dataclass(frozen=True, slots=True)
class Vec:
    """A vec whose items have one type."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class Map:
    """A map whose keys have one type, and whose values have one."""

    key: "Type"
    value: "Type"


@dataclass(frozen=True, slots=True)
class Tuple:
    """A vec of so many items, each with its type."""

    items: "tuple[Type, ...]"


@dataclass(frozen=True, slots=True)
class BytesN:
    """Bytes of constant size."""

    size: int


@dataclass(frozen=True, slots=True)
class Named:
    """A type that the contract declares."""

    name: str


Type: TypeAlias = Plain | Option | Result | Vec | Map | Tuple | BytesN | Named

VAL, VOID, ANY_ERROR = Plain("val"), Plain("void"), Plain("error")


@dataclass(frozen=True, slots=True)
class Field:
    """A named value: a field of a struct, or an argument of a function."""

    name: str
    type: Type
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct; fields named 0, 1, … make it a tuple."""

    name: str
    fields: tuple[Field, ...]
    doc: str = ""

    @property
    def is_tuple(self) -> bool:
        """Whether its values are vecs."""
        return bool(self.fields) and all(
            field.name == str(place) for place, field in enumerate(self.fields)
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a union, with the types of its values; none: a void case."""

    name: str
    types: tuple[Type, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Union:
    """A union: one of several cases."""

    name: str
    cases: tuple[Case, ...]
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enum."""

    name: str
    value: int
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Enum:
    """A u32 with names, or the codes of a contract's errors."""

    name: str
    members: tuple[Member, ...]
    doc: str = ""
    is_error: bool = False

    def name_of(self, value: int) -> str | None:
        """Find the name of a value; None if it has none, or several."""
        names = {member.name for member in self.members if member.value == value}
        return names.pop() if len(names) == 1 else None


Declared: TypeAlias = Struct | Union | Enum
