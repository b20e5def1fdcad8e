"""Tell the database's failures that may pass from those that need a person, by SQLSTATE.

The driver's classes do not: both a full disk and a lost connection are an OperationalError.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed
from sqlalchemy.exc import DBAPIError

from sorobanflow.errors import (
    DatabaseRefusesError,
    DatabaseUnavailableError,
    SchemaError,
    SorobanflowError,
)

#: SQLSTATEs that last until somebody acts, and what to do.
_REFUSALS = {
    "25006": "it is read only; use the primary server, or end its read-only mode",
    "42501": "the user may not do this; grant it the right, or use the tables' owner",
    "53100": "its disk is full; free some space, or enlarge it",
}
_NO_SUCH_TABLE_OR_COLUMN = {"42P01", "42703"}
#: Classes of SQLSTATE: connection, conflict of transactions, resources, locks, operator, system.
_TRANSIENT = {"08", "40", "53", "55", "57", "58"}
#: Exceptions from these classes: a cancelled statement, and a dropped database.
_FINAL = {"57014", "57P04"}


@contextmanager
def named_failures() -> Iterator[None]:
    """Raise the database's failures as errors that say what helps; others pass unchanged.

    They are DatabaseUnavailableError, DatabaseRefusesError and SchemaError.
    """
    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        driver_error = error.orig if isinstance(error, DBAPIError) else error
        named = isinstance(driver_error, psycopg.Error) and _named(driver_error)
        if not named:
            raise
        raise named from error


def _named(error: psycopg.Error) -> SorobanflowError | None:
    state, message = error.sqlstate, str(error).partition("\n")[0]
    if state is None:
        lost = isinstance(error, psycopg.OperationalError) and not isinstance(error, PoolClosed)
        return DatabaseUnavailableError(message) if lost else None
    if state in _REFUSALS:
        return DatabaseRefusesError(f"{message} ({state})", _REFUSALS[state])
    if state in _NO_SUCH_TABLE_OR_COLUMN:
        return SchemaError(
            f"the database's schema is not the one that this program needs: {message} ({state}); "
            "run `python -m deployments.migrate`, or the version of the program that created it"
        )
    if state[:2] in _TRANSIENT and state not in _FINAL:
        return DatabaseUnavailableError(f"{message} ({state})")
    return None
