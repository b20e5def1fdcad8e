"""Give a table new columns in any place, for migrations: PostgreSQL adds columns at the end only.

The table is copied. Invariant: its key, its indexes, its comments and the privileges on it stay,
also those that its owner added. Views on it do not: a migration drops them, or replaces them
before the old table goes.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from alembic import op
from sqlalchemy import Connection, text


class NewColumn(NamedTuple):
    """A column that may be null."""

    name: str
    type: str
    comment: str


_COLUMNS = text("""
SELECT attname, concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
    CASE WHEN attcollation <> typcollation THEN
        (SELECT 'COLLATE ' || quote_ident(collname) FROM pg_collation AS c WHERE c.oid = attcollation)
    END,
    CASE WHEN attnotnull THEN 'NOT NULL' END,
    (SELECT 'DEFAULT ' || pg_get_expr(adbin, adrelid) FROM pg_attrdef
     WHERE adrelid = attrelid AND adnum = attnum)), col_description(attrelid, attnum)
FROM pg_attribute JOIN pg_type AS t ON t.oid = atttypid
WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
""")  # noqa: E501
#: What is made again once the rows are copied and the old table is gone.
_REST = text("""
SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', CAST(:table AS text), conname,
    pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) AND contype IN ('p', 'c')
UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = CAST(:table AS regclass) AND NOT indisprimary
UNION ALL SELECT format('GRANT %s ON %I TO %s%s', privilege_type, CAST(:table AS text),
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE CAST(CAST(grantee AS regrole) AS text) END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = CAST(:table AS regclass)
""")
_COMMENT = text("SELECT obj_description(CAST(:table AS regclass))")


def rebuild_table(
    table: str,
    *,
    added: Mapping[str, Sequence[NewColumn]] = MappingProxyType({}),
    removed: Sequence[str] = (),
    before_drop: Callable[[], object] = lambda: None,
) -> None:
    """Rebuild a table with columns added after others, by their names, and without some.

    `before_drop` is called when the new table has its rows, and the old one is still there.
    """
    connection = op.get_bind()
    name = {"table": table}
    columns = [one for one in connection.execute(_COLUMNS, name).tuples() if one[0] not in removed]
    rest = connection.execute(_REST, name).scalars().all()
    comment = connection.execute(_COMMENT, name).scalar()
    kept = ", ".join(f'"{column}"' for column, _, _ in columns)
    definitions = [one for column in columns for one in (column, *_after(column[0], added))]
    _run(
        connection,
        f"ALTER TABLE {table} RENAME TO {table}_before",
        f"CREATE TABLE {table} ({', '.join(one for _, one, _ in definitions)})",
        f"INSERT INTO {table} ({kept}) SELECT {kept} FROM {table}_before",  # noqa: S608
    )
    before_drop()
    _run(connection, f"DROP TABLE {table}_before", *rest)
    op.create_table_comment(table, comment)
    for column, _, meaning in definitions:
        op.alter_column(table, column, comment=meaning)


def _after(column: str, added: Mapping[str, Sequence[NewColumn]]) -> list[tuple[str, str, str]]:
    return [(one.name, f"{one.name} {one.type}", one.comment) for one in added.get(column, ())]


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
