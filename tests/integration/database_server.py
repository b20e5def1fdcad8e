"""A PostgreSQL of a test's own that stops, crashes and comes back; triggers that raise faults."""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from sorobanflow.store.embedded import EmbeddedPostgres


@contextmanager
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server in a folder of its own, which its own user may enter (pytest's it may not)."""
    folder = Path(tempfile.mkdtemp(prefix="sorobanflow-test-"))
    try:
        with EmbeddedPostgres(folder / "postgres") as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop_server(server: EmbeddedPostgres, how: signal.Signals) -> None:
    """End the server: by SIGINT as an administrator does, by SIGQUIT without a clean shutdown."""
    inner: Any = server._server
    process = inner.get_postmaster_info().process
    process.send_signal(how)
    process.wait(20)


def start_server(server: EmbeddedPostgres) -> None:
    """Start a stopped server again, on the same folder and socket."""
    inner: Any = server._server
    inner.ensure_postgres_running()


def fail_writes(engine: Engine, table: str, fault: str, times: int) -> None:
    """Have the next writes to a table fail; `fault` is a statement of PL/pgSQL."""
    with engine.begin() as connection:
        # A sequence counts on where its transaction is rolled back.
        connection.execute(text("CREATE SEQUENCE faults"))
        connection.execute(
            text(
                "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF nextval('faults') <= {times} THEN {fault}; END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION fault()"
            )
        )


def mend_writes(engine: Engine, table: str) -> None:
    """Take the trigger of `fail_writes` away."""
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER fault ON {table}"))


def raising(sqlstate: str) -> str:
    """The statement that raises a SQLSTATE."""
    return f"RAISE EXCEPTION 'out of order' USING ERRCODE = '{sqlstate}'"


def wait_until_blocked(url: str) -> None:
    """Wait until a session of the database waits for a lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 60
        while connection.execute(query).fetchone() == (0,):
            assert time.monotonic() < deadline, "nobody waits for a lock"
            time.sleep(0.01)
