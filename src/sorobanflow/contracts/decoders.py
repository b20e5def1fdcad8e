"""Write declarations as JSON by which the SQL functions of the views decode, for `stored`.

A type is a text: the arm of a plain type, `val`, `void`, or a key of `types`, which holds each type
that is reached once, so types that hold themselves or each other are no larger than declared.
Invariant: by it the SQL gives what `values` and `matching` give. What is too large gives a reason
instead, and so do declarations that never name anything.
"""

import json
from collections import Counter
from collections.abc import Sequence

from sorobanflow.contracts.spec import Event, Function, Spec, error_name
from sorobanflow.contracts.types import (
    ANY_ERROR,
    BytesN,
    Enum,
    Map,
    Named,
    Option,
    Plain,
    Result,
    Struct,
    Tuple,
    Type,
    Union,
    Vec,
)
from sorobanflow.contracts.values import NamedType, has_text_keys
from sorobanflow.decode.reader import Json

#: Of one declaration, and of all of a Wasm: real ones have up to 1,500 and 16,000 characters.
MAX_LENGTH, MAX_TOTAL = 32_768, 131_072
#: Events of a Wasm, and those of one first topic and number of topics: an event is compared with
#: each of these. Where a Wasm declares more, none of its events has a name.
MAX_EVENTS, MAX_ALIKE = 256, 32
_TOO_LARGE = "types too large"
#: Types that one declaration may reach.
MAX_TYPES = 2_000
_NEVER: Json = {"is": "never"}


class Decoders:
    """Writes the decoders of a spec, which share MAX_TOTAL characters."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._left = MAX_TOTAL
        self._alike = Counter[str]()

    def event(self, event: Event) -> Json:
        """Write how an event's topics and data are told and decoded."""
        if len(self._spec.events) > MAX_EVENTS:
            return {"key": "", "reason": _TOO_LARGE}
        size = len(event.prefix) + len(event.topics)
        key = f"{size} {event.prefix[0] if event.prefix else ''}"
        head = {"name": event.name, "key": key, "prefix": event.prefix}
        self._alike[key] += 1
        if self._alike[key] > MAX_ALIKE:
            return {**head, "reason": _TOO_LARGE}
        if _has_twins(event.params):
            return {**head, "reason": "other shape"}
        types = _Types(self._spec)
        data = sorted(event.data, key=_name) if event.data_format == "map" else event.data
        topics = {"topics": _names(event.topics), "topic_types": types.all_of(event.topics)}
        values = {"data": _names(data), "data_types": types.all_of(data)}
        decoder = {"format": event.data_format, **topics, **values}
        return {**head, **self._bounded(decoder, types)}

    def function(self, function: Function) -> Json:
        """Write how a function's arguments and result are decoded."""
        if self._spec.functions.get(function.name) != function:
            return {"reason": "undeclared"}
        if _has_twins(function.inputs):
            return {"reason": "ambiguous"}
        types, output = _Types(self._spec), function.output
        inputs = {"inputs": _names(function.inputs), "input_types": types.all_of(function.inputs)}
        error = types.error(output.error) if isinstance(output, Result) else None
        fine = types.of(output.ok if isinstance(output, Result) else output)
        return self._bounded({**inputs, "output": fine, "error": error}, types)

    def declared(self, name: str) -> Json:
        """Write how a declared type is decoded."""
        types = _Types(self._spec)
        return self._bounded({"type": types.of(Named(name))}, types)

    def _bounded(self, decoder: dict[str, Json], types: "_Types") -> dict[str, Json]:
        nodes = types.nodes()
        whole = {**decoder, "types": nodes}
        length = MAX_LENGTH + 1 if nodes is None else len(json.dumps(whole))
        is_small = length <= min(MAX_LENGTH, self._left)
        self._left -= min(length, MAX_LENGTH)  # what is too large costs time too
        return whole if is_small else {"reason": _TOO_LARGE}


class _Types:
    """The types that a decoder reaches, each under a key; they are written by `nodes`."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._reached: list[tuple[bool, Type]] = []  # with whether it is the type of an error
        self._keys: dict[tuple[bool, Type], str] = {}

    def of(self, kind: Type) -> str:
        """Give the text that stands for a type."""
        if isinstance(kind, Plain) and kind != ANY_ERROR:
            return kind.name.removeprefix("muxed_")
        return self._key(False, kind)

    def error(self, kind: Type) -> str:
        """Give the text that stands for a type of errors alone."""
        return self._key(True, kind)

    def all_of(self, values: Sequence[NamedType]) -> list[str]:
        """Give the texts for the types of values."""
        return [self.of(one.type) for one in values]

    def nodes(self) -> dict[str, Json] | None:
        """Write all types, and those that they reach; None if they are too many."""
        written: list[Json] = []
        while len(written) < len(self._reached) <= MAX_TYPES:
            is_error, kind = self._reached[len(written)]
            written.append(self._error(kind) if is_error else self._node(kind))
        all_written = len(written) == len(self._reached)
        return {str(key): node for key, node in enumerate(written)} if all_written else None

    def _key(self, is_error: bool, kind: Type) -> str:
        reached = (is_error, kind)
        if reached not in self._keys:
            self._keys[reached] = str(len(self._reached))
            self._reached.append(reached)
        return self._keys[reached]

    def _node(self, kind: Type) -> Json:
        match kind:
            case Option(value):
                return {"is": "option", "of": self.of(value)}
            case Result(ok, error):
                return {"is": "result", "ok": self.of(ok), "error": self.error(error)}
            case Vec(item):
                return {"is": "vec", "of": self.of(item)}
            case Map(key, value):
                is_object = has_text_keys(kind, self._spec)
                return {"is": "map", "key": self.of(key), "of": self.of(value), "object": is_object}
            case Tuple(items):
                return {"is": "tuple", "of": [self.of(one) for one in items]}
            case BytesN(size):
                return {"is": "bytes", "length": 2 * size}
            case Named(name):
                return self._named(name)
            case _:
                return self._error(kind)

    def _named(self, name: str) -> Json:
        match self._spec.find_type(name):
            case Struct() as struct:
                return self._struct(struct)
            case Union(cases=cases):
                names = [case.name for case in cases]
                known = [case for case in cases if names.count(case.name) == 1]
                types = {case.name: [self.of(one) for one in case.types] for case in known}
                return {"is": "union", "cases": types}
            case Enum(is_error=True):
                return self._error(Named(name))
            case Enum() as enum:
                return {"is": "enum", "names": _members([enum])}
        return _NEVER

    def _struct(self, struct: Struct) -> Json:
        if struct.is_tuple:
            return {"is": "tuple", "of": self.all_of(struct.fields)}
        if _has_twins(struct.fields):
            return _NEVER
        fields = sorted(struct.fields, key=_name)
        return {"is": "struct", "names": _names(fields), "types": self.all_of(fields)}

    def _error(self, kind: Type) -> Json:
        enums = self._spec.errors_of(kind)
        if not enums and kind != ANY_ERROR:
            return _NEVER
        return {"is": "error", "names": _members(enums), "any": kind == ANY_ERROR}


def _members(enums: Sequence[Enum]) -> dict[str, str]:
    """Give the names of values, of those that have one."""
    values = {member.value for enum in enums for member in enum.members}
    names = {str(value): error_name(value, enums) for value in sorted(values)}
    return {value: name for value, name in names.items() if name is not None}


def _name(value: NamedType) -> str:
    return value.name


def _names(values: Sequence[NamedType]) -> list[str]:
    return [one.name for one in values]


def _has_twins(values: Sequence[NamedType]) -> bool:
    return len(set(_names(values))) != len(values)
