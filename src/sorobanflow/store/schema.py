"""The schema's version: bring a database to the tables of this program, with alembic.

Another version is refused: a migration may take long, so its owner chooses when.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from sorobanflow.errors import SchemaError
from sorobanflow.store.known_partitions import known_partitions

MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x50B0F10  # any number: two first runs must not create the tables at the same time

_PARTITIONED = text(
    "SELECT CAST(CAST(oid AS regclass) AS text) FROM pg_class "
    "WHERE relkind = 'p' AND relnamespace = to_regnamespace('stored') "
    "OR relkind = 'r' AND relnamespace = to_regnamespace('unmoved')"
)


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply the missing migrations, if any."""
    with engine.begin() as connection:
        _lock(connection)
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Undo the migrations after `revision`, and delete their data."""
    with engine.begin() as connection:
        _lock(connection)
        if revision == "base":
            _empty_partitioned(connection)
        command.downgrade(_config(connection), revision)
    known_partitions(engine).forget()


def _empty_partitioned(connection: Connection) -> None:
    """Remove the rows that older revisions would write into tables of their own, and then drop."""
    for name in connection.execute(_PARTITIONED).scalars().all():
        connection.execute(text(f"TRUNCATE {name}"))


def prepare(engine: Engine) -> None:
    """Create the tables in an empty database; refuse another version with SchemaError."""
    with engine.begin() as connection:
        _lock(connection)
        found = MigrationContext.configure(connection).get_current_revision()
        if found is None:
            _refuse_remains(connection)
            command.upgrade(_config(connection), "head")
            return
    needed = newest_revision()
    if found != needed:
        raise SchemaError(
            f"the database's schema is revision {found}, but this program needs {needed}; run "
            "`sorobanflow migrate`, or the version of the program that created it"
        )


def _refuse_remains(connection: Connection) -> None:
    """Refuse to make tables beside those of which only the views were dropped."""
    if connection.execute(text("SELECT to_regnamespace('stored')")).scalar() is not None:
        raise SchemaError(
            "the schema public has no tables of sorobanflow, but the schema stored, which holds "
            "their rows, is there: restore public, or drop both to begin anew (DROP SCHEMA stored "
            "CASCADE)"
        )


@cache  # alembic imports every migration to find it
def newest_revision() -> str:
    """Return the revision that this program needs."""
    revision = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert revision is not None
    return revision


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _lock(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
