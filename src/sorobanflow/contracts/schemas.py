"""Make, compare and drop the schemas of contracts in a database.

A schema that was made here says so in its comment, and each of its views in its own. Invariant:
nothing else is ever dropped or replaced, and each change is one transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from psycopg.errors import DependentObjectsStillExist, InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from sorobanflow.contracts.names import literal, quote
from sorobanflow.contracts.schema_views import Plan, SchemaView
from sorobanflow.errors import ConfigurationError

_MARK, _DIGEST = "Made by sorobanflow of the contract ", "; made by sorobanflow, "
_SCHEMAS = f"""
    SELECT n.nspname, obj_description(n.oid, 'pg_namespace'), c.relname, obj_description(c.oid)
    FROM pg_namespace AS n
    LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind = 'v'
    WHERE obj_description(n.oid, 'pg_namespace') LIKE '{_MARK}%' ORDER BY 1, 3
"""  # noqa: S608 - our own text
_READERS = """
    SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.oid = 'public.events'::regclass AND a.privilege_type = 'SELECT'
        AND a.grantee <> c.relowner
"""


class Schema(NamedTuple):
    """A contract's schema: its views, each with the digest of what it was made of."""

    name: str
    contract_id: str
    views: dict[str, str]


class Changes(NamedTuple):
    """What a plan changes of a schema: names of views."""

    added: list[str]
    changed: list[str]
    removed: list[str]

    def __bool__(self) -> bool:
        return any(self)


def read_schemas(connection: Connection) -> list[Schema]:
    """Read the schemas that were made here, by name."""
    schemas: dict[str, Schema] = {}
    for name, mark, view, comment in connection.execute(text(_SCHEMAS)):
        schema = schemas.setdefault(name, Schema(name, mark.removeprefix(_MARK), {}))
        if view is not None and _DIGEST in (comment or ""):
            schema.views[view] = comment.rpartition(_DIGEST)[2]
    return [*schemas.values()]


def find_schema(connection: Connection, name: str, contract_id: str) -> Schema | None:
    """Find the contract's schema of this name; None: there is no schema of the name.

    Raises:
        ConfigurationError: another contract, or somebody else, has the name, or the contract has
            another one.
    """
    for schema in read_schemas(connection):
        if schema.name == name and schema.contract_id == contract_id:
            return schema
        if schema.name == name:
            raise ConfigurationError(
                f"the schema {name} is of {schema.contract_id}; choose another name, or remove it "
                f"with `sorobanflow contract remove {name}`"
            )
        if schema.contract_id == contract_id:
            raise ConfigurationError(
                f"{contract_id} has the schema {schema.name} already; remove that one first with "
                f"`sorobanflow contract remove {schema.name}`"
            )
    query = text("SELECT FROM pg_namespace WHERE nspname = :name")
    if connection.execute(query, {"name": name}).first() is not None:
        raise ConfigurationError(f"there is a schema {name} already; choose another name")
    return None


def changes(schema: Schema | None, plan: Plan) -> Changes:
    """Compare a schema with a plan; None: it is to be made."""
    stored = schema.views if schema else {}
    wanted = {view.name: view.digest for view in plan.views}
    return Changes(
        [name for name in wanted if name not in stored],
        [name for name in wanted if name in stored and stored[name] != wanted[name]],
        [name for name in stored if name not in wanted],
    )


def make_schema(connection: Connection, name: str, contract_id: str, plan: Plan) -> dict[str, str]:
    """Make the schema, or change it as planned; gives why PostgreSQL refuses views, by name.

    Raises:
        ConfigurationError: the user may not, or views of somebody else depend on one that changes.
    """
    schema = find_schema(connection, name, contract_id)
    added, changed, removed = changes(schema, plan)
    with _named_failures():
        # A backslash in a literal is a backslash, whatever the server's default.
        _run(connection, "SET LOCAL standard_conforming_strings = on")
        if schema is None:
            _run(connection, f"CREATE SCHEMA {quote(name)}")
            mark = literal(f"{_MARK}{contract_id}")
            _run(connection, f"COMMENT ON SCHEMA {quote(name)} IS {mark}")
        for view in (*changed, *removed):
            _run(connection, f"DROP VIEW {quote(name)}.{quote(view)}")
        made = [view for view in plan.views if view.name in (*added, *changed)]
        reasons = {view.name: _make(connection, name, view) for view in made}
        _grant(connection, name)
    return {view: why for view, why in reasons.items() if why is not None}


def drop_schema(connection: Connection, schema: Schema) -> None:
    """Drop the views that were made here, and the schema.

    Raises:
        ConfigurationError: the user may not, or something else is in it or depends on it.
    """
    with _named_failures():
        for view in schema.views:
            _run(connection, f"DROP VIEW {quote(schema.name)}.{quote(view)}")
        _run(connection, f"DROP SCHEMA {quote(schema.name)}")


def _make(connection: Connection, schema: str, view: SchemaView) -> str | None:
    """Make a view; gives why PostgreSQL refuses it, such as for types without end."""
    full = f"{quote(schema)}.{quote(view.name)}"
    about = f"{view.about}{_DIGEST}{view.digest}"
    try:
        with connection.begin_nested():
            _run(connection, f"CREATE VIEW {full} AS {view.query}")
            _run(connection, f"COMMENT ON VIEW {full} IS {literal(about)}")
            for column, doc in view.columns.items():
                _run(connection, f"COMMENT ON COLUMN {full}.{quote(column)} IS {literal(doc)}")
    except DBAPIError as error:
        if isinstance(error.orig, InsufficientPrivilege):
            raise
        return str(error.orig).splitlines()[0]
    return None


def _grant(connection: Connection, name: str) -> None:
    """Let those read the schema who may read `events`."""
    readers: Sequence[str] = connection.execute(text(_READERS)).scalars().all()
    for reader in readers:
        _run(connection, f"GRANT USAGE ON SCHEMA {quote(name)} TO {reader}")
        _run(connection, f"GRANT SELECT ON ALL TABLES IN SCHEMA {quote(name)} TO {reader}")


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip().replace("\n", "; ")
        if isinstance(error.orig, InsufficientPrivilege):
            raise ConfigurationError(
                f"the database's user may not do that: {said}; set SOROBANFLOW_OWNER_URL to its "
                "owner's address"
            ) from error
        if isinstance(error.orig, DependentObjectsStillExist):
            raise ConfigurationError(
                f"something else is in the schema or depends on it: {said}; drop or move that"
            ) from error
        raise


def _run(connection: Connection, statement: str) -> None:
    """Run a statement as it is: names of contracts may hold a % or a colon."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
