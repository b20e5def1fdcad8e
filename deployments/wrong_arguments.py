"""Say in one line what is wrong with the arguments of a command, and what is right."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from flows.parameters.reading import did_you_mean

_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


def message(error: CycloptsError, app: App) -> str:
    """Give the line; it ends with what the person meant, or with the command that describes it."""
    said, hint = _said(error, app)
    described = " ".join(["sorobanflow", *(error.command_chain or ()), "--help"])
    return f"{said}; {hint or f'see `{described}`'}"


def _said(error: CycloptsError, app: App) -> tuple[str, str]:
    """Give what is wrong, and a hint if there is one."""
    match error:
        case UnknownCommandError(unused_tokens=[given, *_]):
            names = [name for name in error.app or app if not name.startswith("-")]
            hint = did_you_mean(given, names) or f"the commands are {', '.join(names)}"
            return f"there is no command {given!r}", hint
        case UnknownOptionError(token=token, argument_collection=known):
            given = (token.keyword or token.value).partition("=")[0]
            return f"there is no option {given}", did_you_mean(given, _names(known))
        case UnusedCliTokensError(unused_tokens=[given, *_]):
            return f"unexpected argument {given!r}", ""
        case MissingArgumentError(argument=argument) if argument is not None:
            name = error.keyword or argument.name
            return f"{name} {'needs a value' if error.keyword else 'is missing'}", ""
        case ValidationError(argument=argument) if argument is not None:
            return f"{argument.name} {argument.value}: {error.exception_message}", ""
        case CoercionError(token=token, argument=argument) if token and argument is not None:
            return _refused(argument.name, token.value, argument.hint)
        case _:
            error.verbose = False
            return " ".join(str(error).split()), ""


def _names(arguments: Iterable[Any]) -> list[str]:
    return [name for argument in arguments for name in argument.names]


def _refused(name: str, given: str, hint: Any) -> tuple[str, str]:  # noqa: ANN401 - a type
    """Name what a value must be: one of the choices, or of the type's kind."""
    leaves = list(_leaves(hint))
    choices = [leaf for leaf in leaves if isinstance(leaf, str)]
    expected = choices or [_KINDS[leaf] for leaf in leaves if leaf in _KINDS]
    return f"{name} {given!r}: expected {' or '.join(expected)}", did_you_mean(given, choices)


def _leaves(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - a type
    for arm in get_args(hint) or ():
        yield from _leaves(arm)
    if not get_args(hint):
        yield hint
