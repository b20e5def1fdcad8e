"""The interface of a contract as plain immutable objects, made by `reading`, used by the rest.

Names are escaped as in SEP-51, so they compare with symbols and strings of decoded values.
Invariant: where a name is declared twice in different ways, `Spec` finds neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

from sorobanflow.contracts.sdk_types import SDK_TYPES
from sorobanflow.contracts.types import (
    ANY_ERROR,
    Declared,
    Enum,
    Field,
    Named,
    Struct,
    Type,
    Union,
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function; `output` is void if it returns nothing."""

    name: str
    inputs: tuple[Field, ...]
    output: Type
    doc: str = ""


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
        """The structs, unions and enums that the contract declares, by name, in order."""
        return _by_name(entry for entry in self.entries if isinstance(entry, Declared))

    def find_type(self, name: str) -> Declared | None:
        """Find a type that the contract declares, else one of soroban_sdk."""
        if name in self.types:
            return self.types[name]
        is_ours = any(isinstance(one, Declared) and one.name == name for one in self.entries)
        return None if is_ours else SDK_TYPES.get(name)

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
        declared = self.find_type(kind.name) if isinstance(kind, Named) else None
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
