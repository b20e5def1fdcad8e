"""A flow that is run by hand: its parameters, its errors in one line, and what is printed.

    python -m flows.index start_ledger=oldest follow_s=30

Exit codes: 0 done, 1 failed or left something out, 2 refused before a run was started.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from prefect.flows import Flow

from blocks.prefect_api import named_api_failures, require_api
from flows.harness.bar import progress_bar
from flows.harness.calm_log import EXPECTED, calm_log
from flows.harness.described_flow import PARAMETERS
from flows.harness.encoding import print_any_text
from flows.harness.home import enter_home, with_paths_of_here
from flows.harness.outcome import IncompleteError
from flows.harness.printed import print_summary
from flows.harness.refusals import refuse_what_cannot_work
from flows.parameters.reading import help_text, read_parameters
from sorobanflow.errors import ConfigurationError
from sorobanflow.pipeline.summary import Summary
from tasks.policy import quiet_task_runs

REFUSED = 2

#: Prints the summary.
Show = Callable[[Summary], object]


def run_flow(flow: Flow[..., Any], arguments: Sequence[str]) -> int:
    """Run a flow with `name=value` arguments; gives the exit code."""
    print_any_text()
    if {"--help", "-h"} & {*arguments}:
        module = flow.name.replace("-", "_")
        print(help_text(PARAMETERS[flow.name], f"python -m flows.{module}"))
        return 0
    try:
        given = dict(map(_parameter, arguments))
        parameters: Any = read_parameters(PARAMETERS[flow.name], given)
    except ConfigurationError as error:
        return _fail(error, REFUSED)
    given_here = with_paths_of_here(vars(parameters))
    enter_home()
    return run_checked(flow, given_here)


def run_checked(
    flow: Flow[..., Any], parameters: Mapping[str, Any], show: Show = print_summary
) -> int:
    """Run a flow with parameters that are valid by themselves; gives the exit code."""
    try:
        require_api()
        with named_api_failures():
            try:
                refuse_what_cannot_work(PARAMETERS[flow.name], parameters)
            except ConfigurationError as error:
                return _fail(error, REFUSED)
            return run_and_print(flow, parameters, show)
    except EXPECTED as error:
        return _fail(error, 1)


def run_and_print(
    flow: Flow[..., Any], parameters: Mapping[str, Any], show: Show = print_summary
) -> int:
    """Run a flow and print what it did; gives the exit code: 1 if it left something out."""
    quiet_task_runs()
    try:
        with calm_log(), progress_bar():
            summary: Summary = flow(**parameters)
    except IncompleteError as error:
        summary = error.summary
        print(f"incomplete: {error}", file=sys.stderr)
    finally:
        _send_log()
    show(summary)
    return summary.exit_code


def _send_log() -> None:
    """Send the last lines of the run's log, since the server may stop next."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            handler.flush()


def _fail(error: Exception, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _parameter(argument: str) -> tuple[str, str]:
    name, separator, text = argument.partition("=")
    if not separator or not name.isidentifier():
        raise ConfigurationError(f"{argument!r} is not a parameter; expected name=value")
    with suppress(ValueError):
        if isinstance(value := json.loads(text), str):
            return name, value  # quoted, as on Prefect's own command line
    return name, text
