"""What a person types and sees in the terminal when a flow is run by hand.

    python -m flows.index start_ledger=oldest follow_s=30

Parameters are written as Prefect's own command line takes them: `name=value`,
the value in JSON or, where it is none, as text.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from prefect.exceptions import ParameterBindError, ParameterTypeError, SignatureMismatchError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from flows.harness.outcome import IncompleteError
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.pipeline.summary import Summary
from tasks.policy import quiet_task_runs

BAD_PARAMETERS = (ParameterTypeError, ParameterBindError, SignatureMismatchError)
DATABASE_AWAY = (psycopg.OperationalError, OperationalError)


def run_flow(flow: Callable[..., Any], arguments: Sequence[str]) -> int:
    """Run a flow with parameters from the command line; gives the exit code."""
    try:
        return run_and_print(flow, parse_parameters(arguments))
    except (SorobanflowError, *BAD_PARAMETERS, *DATABASE_AWAY) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_and_print(flow: Callable[..., Any], parameters: dict[str, Any]) -> int:
    """Run a flow and print what it did; gives the exit code: 1 if it left something out."""
    quiet_task_runs()
    try:
        summary: Summary = flow(**parameters)
    except IncompleteError as error:
        summary = error.summary
        print(f"incomplete: {error}", file=sys.stderr)
    print_summary(summary)
    return summary.exit_code


def parse_parameters(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` pairs.

    Raises:
        ConfigurationError: an argument is not such a pair.
    """
    parameters: dict[str, Any] = {}
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not separator or not name.isidentifier():
            raise ConfigurationError(f"not a parameter: {argument!r}; wanted name=value")
        parameters[name] = _value(value)
    return parameters


def print_summary(summary: Summary) -> None:
    """Print what a run did as a table."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, value in summary.table():
        table.add_row(label, value)
    console = Console()
    console.print(summary.headline(), highlight=False)
    console.print(table)


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
