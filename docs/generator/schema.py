"""Read the JSON schema of a block or of a flow's parameters: one row per setting.

The Prefect UI builds its forms from the same schema, so page and form agree.
"""

import json
from collections.abc import Iterator
from typing import Any

from docs.generator.markdown import code

Schema = dict[str, Any]
HEAD = ("name", "type", "default", "bounds", "meaning")

_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
}
_LONGEST_DEFAULT = 40


def setting_rows(schema: Schema, definitions: Schema | None = None) -> Iterator[tuple[str, ...]]:
    """Return name, type, default, bounds and meaning of each property.

    Args:
        schema: The schema of an object.
        definitions: Schemas that it references.
    """
    required = schema.get("required", [])
    for name, one in schema["properties"].items():
        arms = [_resolved(arm, definitions or {}) for arm in one.get("anyOf", [one])]
        kinds = [kind for arm in arms if (kind := _kind(arm))]
        bounds = [bound for arm in arms if (bound := _bounds(arm))]
        default = "required" if name in required else _default(one)
        yield code(name), " or ".join(kinds), default, ", ".join(bounds), _line(one["description"])


def _line(text: str) -> str:
    return " ".join(text.split())


def _resolved(arm: Schema, definitions: Schema) -> Schema:
    reference = str(arm.get("$ref", "")).rpartition("/")[2]
    if reference not in definitions:
        return arm
    slug = definitions[reference].get("block_type_slug")
    return {"type": f"block {code(slug)}" if slug else reference}


def _kind(arm: Schema) -> str:
    """Name the type; null has no name, because `default` shows it as empty."""
    if "enum" in arm:
        return " or ".join(code(value) for value in arm["enum"])
    if "const" in arm:
        return code(arm["const"])
    if arm.get("writeOnly") or arm.get("format") == "password":
        return "secret text"
    kind = str(arm.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(arm['items'])}".replace("list of list of", "list of lists of")
    return {"string": "text", "null": "", "object": "object of secrets"}.get(kind, kind)


def _bounds(arm: Schema) -> str:
    return ", ".join(form.format(f"{arm[key]:,}") for key, form in _BOUNDS.items() if key in arm)


def _default(one: Schema) -> str:
    default = one.get("default")
    if default is None or default == "":
        return "empty"
    text = default if isinstance(default, str) else json.dumps(default)
    return code(text if len(text) <= _LONGEST_DEFAULT else text[: _LONGEST_DEFAULT - 1] + "…")
