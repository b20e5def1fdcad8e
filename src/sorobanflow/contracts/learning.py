"""Learn the shapes of events that no spec declares, from stored events of one contract.

A shape is what events have in common that begin with the same symbols, and whose topics and data
have the same form: as many topics, and the same keys of a map, or as many items of a vec. Its
parameters are named by these keys, else by their place, and have the types in which all agree.

Invariant: a summary depends on its events only, not on their order, nor on how they were split
into summaries that were merged. It is bounded: first topics and forms that vary more than the
limits allow are no names, but parameters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sorobanflow.contracts.seen_types import join, type_of, without_unknown
from sorobanflow.contracts.spec import DataFormat, Event, Param
from sorobanflow.contracts.types import VOID, Type
from sorobanflow.decode.reader import Json

#: Distinct first topics of a contract, second ones after one first, forms of data of one name.
MAX_FIRST, MAX_SECOND, MAX_FORMS = 48, 16, 4
#: Events with more topics, or more keys of their data, are not learnt from.
MAX_TOPICS, MAX_KEYS = 8, 64

Prefix = tuple[str, ...]
Form = tuple[DataFormat, tuple[str, ...]]
_ANY: Form = ("single_value", ())  # the data is one parameter


class ShapeKey(NamedTuple):
    """What tells shapes apart."""

    prefix: Prefix  # the first topics, as far as they are names
    topics: int  # with the prefix
    form: Form  # with the keys of a map, or the places of a vec


@dataclass(frozen=True)
class Shape:
    """What the events of a key have in common."""

    topics: tuple[Type, ...]
    fields: tuple[Type, ...]  # of the form's keys or places
    data: Type  # of the data as a whole
    rows: int
    first_ledger: int

    def merged(self, other: "Shape") -> "Shape":
        """Join with what other events of the same key have in common."""
        topics = zip(self.topics, other.topics, strict=True)
        fields = zip(self.fields, other.fields, strict=True)
        return Shape(
            tuple(join(*pair) for pair in topics),
            tuple(join(*pair) for pair in fields),
            join(self.data, other.data),
            self.rows + other.rows,
            min(self.first_ledger, other.first_ledger),
        )


@dataclass
class Summary:
    """The shapes of a contract's events."""

    shapes: dict[ShapeKey, Shape] = field(default_factory=dict)
    left_out: int = 0  # events that are too large
    #: Prefixes whose next topic varies too much, and names whose data does.
    open_prefixes: set[Prefix] = field(default_factory=set)
    open_forms: set[tuple[Prefix, int]] = field(default_factory=set)

    def add(self, topics: Sequence[Json], value: Json, ledger: int) -> None:
        """Learn from an event: SEP-51 values, and the ledger it is of."""
        form, fields = _form(value)
        if len(topics) > MAX_TOPICS or len(fields) > MAX_KEYS:
            self.left_out += 1
            return
        kinds = tuple(map(type_of, topics))
        shape = Shape(kinds, tuple(map(type_of, fields)), type_of(value), 1, ledger)
        key = ShapeKey(_prefix(topics), len(topics), form)
        if self._put(key, shape):
            self._bound()

    def merge(self, other: "Summary") -> None:
        """Learn what other events of the contract have taught."""
        self.left_out += other.left_out
        self.open_prefixes |= other.open_prefixes
        self.open_forms |= other.open_forms
        for key, shape in other.shapes.items():
            self._put(key, shape)
        self._bound()

    def _put(self, key: ShapeKey, shape: Shape) -> bool:
        """Add a shape under its key, or the one that its key has become; whether it is new."""
        prefix = self._closed(key.prefix)
        is_open = (prefix, key.topics) in self.open_forms
        key = ShapeKey(prefix, key.topics, _ANY if is_open else key.form)
        if is_open:
            shape = replace(shape, fields=())
        known = self.shapes.get(key)
        self.shapes[key] = shape if known is None else known.merged(shape)
        return known is None

    def _closed(self, prefix: Prefix) -> Prefix:
        """Cut a prefix where it varies too much."""
        cuts = [cut for cut in range(len(prefix)) if prefix[:cut] in self.open_prefixes]
        return prefix[: cuts[0]] if cuts else prefix

    def _bound(self) -> None:
        """Find what varies too much, first of the prefixes, then of the forms."""
        prefixes = {key.prefix for key in self.shapes}
        if len({one[0] for one in prefixes if one}) > MAX_FIRST:
            self.open_prefixes.add(())
        for first in {one[:1] for one in prefixes if one}:
            if len({one[1] for one in prefixes if one[:1] == first and one[1:]}) > MAX_SECOND:
                self.open_prefixes.add(first)
        if () in self.open_prefixes:
            self.open_prefixes = {()}
        self._rename()
        names = [(key.prefix, key.topics) for key in self.shapes]
        self.open_forms |= {name for name in names if names.count(name) > MAX_FORMS}
        self._rename()

    def _rename(self) -> None:
        """Put all shapes under the keys that they have now."""
        self.open_forms = {(self._closed(prefix), topics) for prefix, topics in self.open_forms}
        shapes, self.shapes = self.shapes, {}
        for key, shape in shapes.items():
            self._put(key, shape)


class Inferred(NamedTuple):
    """A shape as an event of a spec, and what it was learnt from."""

    event: Event
    rows: int
    first_ledger: int


def inferred_events(summary: Summary) -> list[Inferred]:
    """Give what was learnt, in the order of its names; a name may have several shapes."""
    return [
        Inferred(_event(key, shape), shape.rows, shape.first_ledger)
        for key, shape in sorted(summary.shapes.items(), key=lambda item: item[0])
    ]


def _event(key: ShapeKey, shape: Shape) -> Event:
    data_format, names = key.form
    params = [*_topic_params(key, shape), *_data_params(data_format, names, shape)]
    return Event("_".join(key.prefix) or "event", key.prefix, tuple(params), data_format)


def _topic_params(key: ShapeKey, shape: Shape) -> Iterator[Param]:
    for place in range(len(key.prefix), key.topics):
        yield Param(f"topic_{place}", without_unknown(shape.topics[place]), in_topics=True)


def _data_params(data_format: DataFormat, names: tuple[str, ...], shape: Shape) -> Iterator[Param]:
    if data_format == "single_value":
        if shape.data != VOID:
            yield Param("value", without_unknown(shape.data), in_topics=False)
        return
    for name, kind in zip(names, shape.fields, strict=True):
        shown = f"value_{name}" if data_format == "vec" else name
        yield Param(shown, without_unknown(kind), in_topics=False)


def _prefix(topics: Sequence[Json]) -> Prefix:
    """Give the first topic if it is a symbol or a string, and the second if it is a symbol too."""
    names = []
    for place, topic in enumerate(topics[:2]):
        name = topic.get("symbol") if isinstance(topic, dict) else None
        if name is None and place == 0 and isinstance(topic, dict):
            name = topic.get("string")
        if name is None:
            break
        names.append(name)
    return tuple(names)


def _form(value: Json) -> tuple[Form, list[Json]]:
    """Give the form of the data, and the values that it names."""
    if isinstance(value, dict):
        items, entries = value.get("vec"), value.get("map")
        if isinstance(items, list):
            return ("vec", tuple(map(str, range(len(items))))), items
        if isinstance(entries, list) and all(_is_named(one["key"]) for one in entries):
            names = tuple(one["key"]["symbol"] for one in entries)
            return ("map", names), [one["val"] for one in entries]
    return _ANY, []


def _is_named(key: Json) -> bool:
    return isinstance(key, dict) and "symbol" in key
