"""Make the command of a flow from the class of its parameters.

    sorobanflow backfill 60000000 60010000 --source default --dry-run

Invariant: Prefect is imported after the arguments were found to be valid.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import Parameter as Argument
from inspect import Signature
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from deployments.home import connecting
from flows.harness.home import with_paths_of_here
from flows.parameters.reading import (
    Schema,
    arms_of,
    choices_of,
    parameter_schemas,
    read_parameters,
)

_OUTPUT = Group("Output")
#: What a flow prints at its end, by the name of the function in `flows.harness.printed`.
_SHOW = {"json": ("print_json", "as a JSON object"), "verbose": ("print_all", "with every figure")}


def flow_command(name: str, kind: type) -> Callable[..., int]:
    """Make the function of a command; it gives the exit code."""
    arguments = [_argument(field, one) for field, one in parameter_schemas(kind).items()]
    signature = Signature([*arguments, *map(_output, _SHOW)])

    def command(*first: Any, **rest: Any) -> int:  # noqa: ANN401 - texts and flags
        given = signature.bind(*first, **rest).arguments
        given = {name: value for name, value in given.items() if value is not None}
        shown = [show for flag, (show, _) in _SHOW.items() if given.pop(flag, False)]
        parameters = vars(read_parameters(kind, given, option))
        return _run(name, parameters, shown[0] if shown else "print_summary")

    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__doc__ = kind.__doc__
    return command


def option(field: str) -> str:
    """Give a parameter's name as it is typed."""
    return "--" + field.replace("_", "-")


def _argument(field: str, schema: Schema) -> Argument:
    """Describe a parameter to the command line; one without a default can go without its name."""
    is_required, default = "default" not in schema, schema.get("default")
    parameter = Parameter(
        help=schema["description"],
        metavar=_metavar(schema),
        negative=(),
        show_default=str(default) if default else False,
    )
    return Argument(
        field,
        Argument.POSITIONAL_OR_KEYWORD if is_required else Argument.KEYWORD_ONLY,
        default=Argument.empty if is_required else None,
        annotation=Annotated[_typed(schema), parameter],
    )


def _output(flag: str) -> Argument:
    """Describe a flag that says how the summary is printed."""
    parameter = Parameter(
        help=f"Print the summary {_SHOW[flag][1]}.", negative=(), show_default=False, group=_OUTPUT
    )
    return Argument(
        flag, Argument.KEYWORD_ONLY, default=False, annotation=Annotated[bool, parameter]
    )


def _typed(schema: Schema) -> Any:  # noqa: ANN401 - a type
    """Choose what the command line has to know of a type; values are checked elsewhere."""
    match _arms(schema):
        case [{"type": "boolean"}]:
            return bool | None
        case [{"enum": choices}]:
            return Literal[tuple(choices)] | None
        case [{"type": "array", "items": {"type": "string"}}]:
            return list[str] | None
        case _:
            return str if "default" not in schema else str | None


def _metavar(schema: Schema) -> str | None:
    match _arms(schema):
        case [{"type": "boolean"}] | [{"enum": _}]:
            return None
        case [{"type": "array", "items": {"type": "array"}}]:
            return "JSON"
        case arms:
            numbers = ["NUMBER" for arm in arms if arm.get("type") in ("integer", "number")]
            choices = [choice for arm in arms for choice in choices_of(arm)]
            texts = ["TEXT" for arm in arms if arm.get("type") == "string" and "enum" not in arm]
            return "|".join(numbers + choices + texts)


def _arms(schema: Schema) -> list[Schema]:
    return [arm for arm in arms_of(schema) if arm.get("type") != "null"]


def _run(name: str, parameters: Mapping[str, Any], show: str) -> int:
    """Run a flow, on the user's Prefect server or a local one; gives the exit code."""
    parameters = with_paths_of_here(parameters)
    with connecting() as wait:
        from flows.harness import printed  # noqa: PLC0415 - see the invariant
        from flows.harness.terminal import run_checked  # noqa: PLC0415 - see the invariant

        flow = getattr(import_module(f"flows.{name}"), name)
        wait()
        return run_checked(flow, parameters, getattr(printed, show))
