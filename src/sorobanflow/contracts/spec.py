"""The interface of a contract as plain immutable objects, made by `reading`, used by the rest.

Names are escaped as in SEP-51, so they compare with symbols and strings of decoded values.
Invariant: where a name is declared twice in different ways, `Spec` finds neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar


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
class Function:
    """A function; `output` is void if it returns nothing."""

    name: str
    inputs: tuple[Field, ...]
    output: Type
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


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of an event, in its topics or in its data."""

    name: str
    type: Type
    in_topics: bool
    doc: str = ""


DataFormat: TypeAlias = Literal["single_value", "vec", "map"]


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its first topics, and the parameters in the topics after them and in the data."""

    name: str
    prefix: tuple[str, ...]
    params: tuple[Param, ...]
    data_format: DataFormat
    doc: str = ""

    @property
    def topics(self) -> tuple[Param, ...]:
        """The parameters in the topics, in order."""
        return tuple(param for param in self.params if param.in_topics)

    @property
    def data(self) -> tuple[Param, ...]:
        """The parameters in the data, in order."""
        return tuple(param for param in self.params if not param.in_topics)


Entry: TypeAlias = Function | Struct | Union | Enum | Event
_Item = TypeVar("_Item", Function, Declared)


@dataclass(frozen=True)
class Spec:
    """An interface: its entries in the order in which the contract declares them."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions by name, in order."""
        return _by_name(entry for entry in self.entries if isinstance(entry, Function))

    @cached_property
    def types(self) -> dict[str, Declared]:
        """The structs, unions and enums by name, in order."""
        return _by_name(entry for entry in self.entries if isinstance(entry, Declared))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events, in order; several may have one name."""
        return tuple(entry for entry in self.entries if isinstance(entry, Event))

    @cached_property
    def errors(self) -> tuple[Enum, ...]:
        """The enums of errors."""
        return tuple(one for one in self.types.values() if isinstance(one, Enum) and one.is_error)

    def errors_of(self, kind: Type) -> tuple[Enum, ...]:
        """Find the enums that name errors of a type; none: it is no type of errors.

        Older SDKs declare no more than that it is an error, which may be of any enum.
        """
        if kind == ANY_ERROR:
            return self.errors
        declared = self.types.get(kind.name) if isinstance(kind, Named) else None
        return (declared,) if isinstance(declared, Enum) and declared.is_error else ()


def error_name(code: int, enums: Iterable[Enum]) -> str | None:
    """Find the name of an error's code; None if the enums that know it disagree, or none does."""
    names = {enum.name_of(code) for enum in enums} - {None}
    return names.pop() if len(names) == 1 else None


def _by_name(entries: Iterable[_Item]) -> dict[str, _Item]:
    """Find entries by name, without those of a name that is declared in several ways."""
    found: dict[str, _Item] = {}
    clashes = set()
    for entry in entries:
        if found.setdefault(entry.name, entry) != entry:
            clashes.add(entry.name)
    return {name: entry for name, entry in found.items() if name not in clashes}
