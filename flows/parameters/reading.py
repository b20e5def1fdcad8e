"""Read parameters from text, and check them: whatever is wrong is one line that says what helps.

A value is text as a person types it; a list is JSON, or several texts. `null` or nothing
means that the parameter has no value.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import cleandoc
from textwrap import fill, indent
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from sorobanflow.errors import ConfigurationError

T = TypeVar("T")
Schema = dict[str, Any]

MAX_SHOWN = 60  # characters of a value that is refused
_KINDS = {"boolean": "true or false", "string": "text"}
_LISTS = {"string": '["…"]', "array": '[["*"]]'}


def read_parameters(
    kind: type[T],
    given: Mapping[str, str | Sequence[str] | bool],
    label: Callable[[str], str] = str,
) -> T:
    """Make a flow's parameters of what was typed; `label` is how a name was typed.

    Raises:
        ConfigurationError: a name or a value is not valid.
    """
    schemas = parameter_schemas(kind)
    for name in given:
        if name not in schemas:
            raise ConfigurationError(
                f"{kind.__name__.lower()} has no parameter {name!r}; "
                + (did_you_mean(name, schemas) or f"it has {', '.join(schemas)}")
            )
    values = {name: _value(text, schemas[name]) for name, text in given.items()}
    return checked(kind, values, label)


def checked(
    kind: Callable[..., T], values: Mapping[str, Any], label: Callable[[str], str] = str
) -> T:
    """Make a flow's parameters of values; ConfigurationError for one that is not valid."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigurationError(_message(kind, error, label)) from None


def parameter_schemas(kind: Callable[..., Any]) -> dict[str, Schema]:
    """Give the JSON schema of each parameter, in their order."""
    adapter = TypeAdapter(cast(type[Any], kind))
    return cast(dict[str, Schema], adapter.json_schema()["properties"])


def help_text(kind: type, usage: str) -> str:
    """Describe a flow and its parameters for a terminal."""
    lines = [f"usage: {usage} [NAME=VALUE ...]", "", cleandoc(kind.__doc__ or ""), ""]
    for name, schema in parameter_schemas(kind).items():
        default = f" (default: {schema['default']})" if schema.get("default") else ""
        lines.append(f"  {name}: {expected(schema)}{default}")
        lines.append(indent(fill(" ".join(schema["description"].split()), 90), " " * 6))
    return "\n".join(lines)


def did_you_mean(name: str, names: Sequence[str] | Mapping[str, Any]) -> str:
    """Ask for the closest of the names; empty if none is close."""
    close = get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]}?" if close else ""


def expected(schema: Schema) -> str:
    """Say in words what a schema allows."""
    *parts, last = [text for arm in arms_of(schema) for text in _expected(arm)]
    return f"{', '.join(parts)} or {last}" if parts else last


def arms_of(schema: Schema) -> list[Schema]:
    """Give the alternatives of a parameter's schema, of which null may be one."""
    arms: list[Schema] = schema.get("anyOf", [schema])
    return arms


def _expected(arm: Schema) -> list[str]:
    if choices := choices_of(arm):
        return choices
    match arm["type"]:
        case "array":
            return [f"a JSON list such as {_LISTS[arm['items']['type']]}"]
        case "integer" | "number":
            return [f"a{' whole' * (arm['type'] == 'integer')} number{_bounds(arm)}"]
        case "null":
            return []
        case kind:
            return [_KINDS[kind]]


def choices_of(arm: Schema) -> list[str]:
    """Give the values that an alternative lists."""
    return arm.get("enum") or ([arm["const"]] if "const" in arm else [])


def _bounds(arm: Schema) -> str:
    low, high = arm.get("minimum"), arm.get("maximum")
    if high is not None:
        return f" from {low:,} to {high:,}"
    return "" if low is None else f" of at least {low:,}"


def _value(text: str | Sequence[str] | bool, schema: Schema) -> Any:  # noqa: ANN401 - of a field
    """Give the value that a text stands for, as far as its form says it; the rest is checked."""
    kinds = {arm.get("type") for arm in arms_of(schema)}
    if text in ("", "null") and "null" in kinds:
        return None
    if "array" not in kinds or isinstance(text, bool):
        return text
    texts = [text] if isinstance(text, str) else list(text)
    if len(texts) == 1 and texts[0].lstrip().startswith("["):
        try:
            return json.loads(texts[0])
        except ValueError:
            return texts[0]  # no list: refused
    return texts


def _message(kind: Callable[..., Any], error: ValidationError, label: Callable[[str], str]) -> str:
    found = error.errors(include_url=False)[0]
    if isinstance(own := found.get("ctx", {}).get("error"), ConfigurationError):
        return str(own)
    name = str(found["loc"][0])
    if found["type"] in ("missing", "missing_keyword_only_argument"):
        return f"{label(name)} is missing; expected {expected(parameter_schemas(kind)[name])}"
    schema = parameter_schemas(kind)[name]
    given = found["input"]
    shown = given if isinstance(given, str) else json.dumps(given, default=str)
    choices = [choice for arm in arms_of(schema) for choice in choices_of(arm)]
    hint = did_you_mean(shown, choices)
    return f"{label(name)} {shown[:MAX_SHOWN]!r}: expected {expected(schema)}" + (
        f"; {hint}" if hint else ""
    )
