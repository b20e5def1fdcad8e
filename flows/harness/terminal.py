"""The command line of a flow: its parameters, and what is printed.

    python -m flows.index start_ledger=oldest follow_s=30

The value of a parameter is JSON or, if it is not, text; as on Prefect's own command line.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from prefect.exceptions import ParameterBindError, ParameterTypeError, SignatureMismatchError
from sqlalchemy.exc import OperationalError

from blocks.prefect_api import named_api_failures, require_api
from flows.harness.bar import progress_bar
from flows.harness.outcome import IncompleteError
from flows.harness.printed import print_summary
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.pipeline.summary import Summary
from tasks.policy import quiet_task_runs

BAD_PARAMETERS = (ParameterTypeError, ParameterBindError, SignatureMismatchError)
DATABASE_AWAY = (psycopg.OperationalError, OperationalError)


def run_flow(flow: Callable[..., Any], arguments: Sequence[str]) -> int:
    """Run a flow with parameters from the command line; gives the exit code."""
    try:
        require_api()
        with named_api_failures():
            return run_and_print(flow, dict(map(_parameter, arguments)))
    except (SorobanflowError, *BAD_PARAMETERS, *DATABASE_AWAY) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End a program that talks to Prefect's API with one line for an expected error."""
    try:
        require_api()
        with named_api_failures():
            yield
    except (SorobanflowError, *DATABASE_AWAY) as error:
        sys.exit(f"error: {error}")


def run_and_print(
    flow: Callable[..., Any], parameters: dict[str, Any], *, verbose: bool = False
) -> int:
    """Run a flow and print what it did; gives the exit code: 1 if it left something out."""
    quiet_task_runs()
    try:
        with progress_bar():
            summary: Summary = flow(**parameters)
    except IncompleteError as error:
        summary = error.summary
        print(f"incomplete: {error}", file=sys.stderr)
    print_summary(summary, verbose)
    return summary.exit_code


def _parameter(argument: str) -> tuple[str, Any]:
    name, separator, text = argument.partition("=")
    if not separator or not name.isidentifier():
        raise ConfigurationError(f"{argument!r} is not a parameter; expected name=value")
    try:
        return name, msgspec.json.decode(text)
    except msgspec.DecodeError:
        return name, text
