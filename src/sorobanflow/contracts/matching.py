"""Name events and calls by a spec: what they are called, and their parameters by name.

Invariant: what does not match in number, place and types of all parameters has no name, and what
matches several declarations that say different things has none either. So nothing is mislabelled,
as long as the spec is that of the Wasm which ran.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sorobanflow.contracts.spec import Event, Function, Param, Spec
from sorobanflow.contracts.types import Result
from sorobanflow.contracts.values import (
    Mismatch,
    decode_error,
    decode_fields,
    decode_value,
    decode_values,
)
from sorobanflow.decode.reader import Json


class NamedEvent(NamedTuple):
    """An event's name and its parameters, in the order of the declaration, as plain JSON."""

    name: str
    params: dict[str, Json]


class NamedCall(NamedTuple):
    """A call's arguments by name, and what it returned: a result or an error."""

    function: str
    arguments: dict[str, Json]
    result: Json
    error: Json  # a name, or SEP-51 where it has none; None: none was returned


class Unnamed(NamedTuple):
    """Why something has no name: `kind` to be counted by, `reason` in words."""

    kind: str
    reason: str


def name_event(topics: Sequence[Json], value: Json, spec: Spec) -> NamedEvent | Unnamed:
    """Name an event by the declaration that it matches.

    Args:
        topics: SEP-51 values, in order.
        value: The data, a SEP-51 value.
        spec: Of the Wasm that ran, or a built-in or inferred one.
    """
    prefixed = [one for one in spec.events if _has_prefix(one, topics)]
    if not prefixed:
        return Unnamed("undeclared", "no declared event has its first topics")
    outcomes = [_event(one, topics, value, spec) for one in prefixed]
    named = [one for one in outcomes if isinstance(one, NamedEvent)]
    if not named:
        reasons = (str(one[-1]) for one in outcomes)
        return Unnamed("other shape", "; ".join(dict.fromkeys(reasons))[:400])
    if any(one != named[0] for one in named):
        names = ", ".join(dict.fromkeys(one.name for one in named))
        return Unnamed("ambiguous", f"it matches several declarations: {names[:200]}")
    return named[0]


def _has_prefix(event: Event, topics: Sequence[Json]) -> bool:
    """Compare symbols and strings alike: some contracts emit strings."""
    if len(topics) < len(event.prefix):
        return False
    return all(
        topic in ({"symbol": name}, {"string": name})
        for topic, name in zip(topics, event.prefix, strict=False)
    )


def _event(event: Event, topics: Sequence[Json], value: Json, spec: Spec) -> NamedEvent | Mismatch:
    names = [param.name for param in event.params]
    if len(set(names)) != len(names):
        return Mismatch(f"{event.name} has two parameters of one name")
    kinds = [param.type for param in event.topics]
    in_topics = decode_values(topics[len(event.prefix) :], kinds, spec)
    if isinstance(in_topics, Mismatch):
        return Mismatch(f"topics of {event.name}: {in_topics.reason}")
    in_data = _data(event, value, spec)
    if isinstance(in_data, Mismatch):
        return Mismatch(f"data of {event.name}: {in_data.reason}")
    found = dict(zip((param.name for param in event.topics), in_topics, strict=True)) | in_data
    return NamedEvent(event.name, {name: found[name] for name in names})


def _data(event: Event, value: Json, spec: Spec) -> dict[str, Json] | Mismatch:
    params = event.data
    if event.data_format == "map":
        decoded: dict[str, Json] | Mismatch = decode_fields(value, params, spec)
        return decoded
    values = _data_values(event, params, value)
    if isinstance(values, Mismatch):
        return values
    in_order = decode_values(values, [param.type for param in params], spec)
    if isinstance(in_order, Mismatch):
        return in_order
    return dict(zip((param.name for param in params), in_order, strict=True))


def _data_values(event: Event, params: Sequence[Param], value: Json) -> list[Json] | Mismatch:
    if event.data_format == "single_value":
        return [] if not params and value == "void" else [value]
    items = value.get("vec") if isinstance(value, dict) else None
    return items if isinstance(items, list) else Mismatch("it is no vec")


def name_call(
    function: str, arguments: Sequence[Json], result: Json | None, spec: Spec
) -> NamedCall | Unnamed:
    """Name the arguments and the result of a call.

    Args:
        function: As it was called.
        arguments: SEP-51 values, in order.
        result: A SEP-51 value; None if it did not return, or is not known.
        spec: Of the Wasm that ran.
    """
    declared = spec.functions.get(function)
    if declared is None:
        return Unnamed("undeclared", f"the function {function:.60} is not declared, or twice")
    names = [one.name for one in declared.inputs]
    if len(set(names)) != len(names):
        return Unnamed("ambiguous", f"{function:.60} has two arguments of one name")
    decoded = decode_values(arguments, [one.type for one in declared.inputs], spec)
    if isinstance(decoded, Mismatch):
        return Unnamed("other arguments", f"arguments of {function:.60}: {decoded.reason}")
    returned = _returned(declared, result, spec)
    if isinstance(returned, Mismatch):
        return Unnamed("other result", f"result of {function:.60}: {returned.reason}")
    return NamedCall(function, dict(zip(names, decoded, strict=True)), *returned)


def _returned(function: Function, result: Json | None, spec: Spec) -> tuple[Json, Json] | Mismatch:
    if result is None:
        return None, None
    kind = function.output
    if isinstance(kind, Result) and isinstance(result, dict) and "error" in result:
        error = decode_error(result, kind.error, spec)
        return error if isinstance(error, Mismatch) else (None, error)
    value = decode_value(result, kind.ok if isinstance(kind, Result) else kind, spec)
    return value if isinstance(value, Mismatch) else (value, None)
