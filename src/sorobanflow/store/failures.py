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
    "3F000": "create the schema public, or grant the user USAGE on it",
    "25006": "it is read only; use the primary server, or end its read-only mode",
    "42501": "the user may not do this; grant it the right, or use the tables' owner",
    "53100": "its disk is full; free some space, or enlarge it",
}
_NO_SUCH_TABLE_OR_COLUMN = {"42P01", "42703"}
#: Classes of SQLSTATE: connection, conflict of transactions, resources, locks, operator, system.
_TRANSIENT = {"08", "40", "53", "55", "57", "58"}
#: An exception: the database was dropped.
_FINAL = {"57P04"}
#: Limits that a role or database may set, which a busy server exceeds now and then.
_LIMITS = {
    "57014": "; if it happens again, raise the user's statement_timeout",
    "25P03": "; if it happens again, raise the user's idle_in_transaction_session_timeout",
    "25P04": "; if it happens again, raise the user's transaction_timeout",
}


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
            "run `sorobanflow migrate`, or the version of the program that created it"
        )
    if state in _LIMITS or (state[:2] in _TRANSIENT and state not in _FINAL):
        return DatabaseUnavailableError(f"{message} ({state}){_LIMITS.get(state, '')}")
    return None
