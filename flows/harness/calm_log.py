"""Keep Prefect from logging an expected error to the terminal, which prints it as its last line.

Prefect logs an error of a flow twice, and with a trace of up to 160 lines. The server gets all
of it; an unexpected error keeps its trace.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from sqlalchemy.exc import OperationalError

from sorobanflow.errors import SorobanflowError

DATABASE_AWAY = (psycopg.OperationalError, OperationalError)
#: Errors that a person can act on without a trace.
EXPECTED = (SorobanflowError, *DATABASE_AWAY)
_FLOW_RUNS = "prefect.flow_runs"


@contextmanager
def calm_log() -> Iterator[None]:
    """Filter what the handlers of the terminal get."""
    with ExitStack() as stack:
        for name in ("", "prefect"):
            for handler in logging.getLogger(name).handlers:
                handler.addFilter(_is_wanted)
                stack.callback(handler.removeFilter, _is_wanted)
        yield


def _is_wanted(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, EXPECTED):
        record.exc_info = None  # the handler of the server has had it
        return record.name != _FLOW_RUNS
    ended = record.name == _FLOW_RUNS and record.getMessage().startswith("Finished in state Failed")
    return not ended
