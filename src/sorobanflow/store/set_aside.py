"""What the migration to partitions does around the old tables, which it puts into schema `unmoved`.

They stay there until their rows are moved (`moving`). Until then the views of their names read
both, so a statement finds each row once, wherever it is.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text

from sorobanflow.errors import SchemaError

TABLES = ("events", "transactions", "operations", "trades", "token_operations", "contract_calls")
_DEPENDENTS = text("""
SELECT DISTINCT coalesce(
    'view ' || CAST(CAST(r.ev_class AS regclass) AS text),
    pg_describe_object(d.classid, d.objid, 0)
)
FROM pg_class AS c
JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(:tables) AND d.deptype = 'n'
    AND CAST(CAST(r.ev_class AS regclass) AS text) = ANY(:readers) IS NOT TRUE
ORDER BY 1
""")
_COLUMNS = text("""
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = CAST(:view AS regclass) AND attnum > 0 AND NOT attisdropped
""")
_DEFINITION = text("SELECT rtrim(pg_get_viewdef(CAST(:view AS regclass)), ';')")
#: Rights on a schema show nothing of a table.
_GRANTEES = text("""
SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE CAST(CAST(grantee AS regrole) AS text) END
FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'unmoved'::regnamespace
""")


def refuse_dependents(readers: Sequence[str]) -> None:
    """Raise SchemaError if something depends on the tables that is none of our `readers`."""
    values = {"tables": list(TABLES), "readers": list(readers)}
    if found := op.get_bind().execute(_DEPENDENTS, values).scalars().all():
        raise SchemaError(
            f"this migration replaces tables that are used by: {', '.join(found)}. Nothing "
            "was changed. Keep the definitions (pg_dump --schema-only shows them), drop these, run "
            "`sorobanflow migrate`, and create them again: names and columns stay as they were"
        )


def read_both() -> None:
    """Have the views read the old tables too; old tables without rows are dropped."""
    connection = op.get_bind()
    for grantee in connection.execute(_GRANTEES).scalars().all():
        _run(f"GRANT USAGE ON SCHEMA stored, unmoved TO {grantee}")
    some = " UNION ALL ".join(f"(SELECT FROM unmoved.{table} LIMIT 1)" for table in TABLES)
    if not connection.execute(text(f"SELECT count(*) FROM ({some}) AS s")).scalar():  # noqa: S608
        _run("DROP SCHEMA unmoved CASCADE")
        return
    for table in TABLES:
        definition = connection.execute(_DEFINITION, {"view": table}).scalar()
        columns = connection.execute(_COLUMNS, {"view": table}).scalar()
        _run(f"CREATE VIEW unmoved.new_{table} AS {definition}")
        old = f"SELECT {columns} FROM unmoved.{table}"  # noqa: S608 - our own names
        _run(f"CREATE OR REPLACE VIEW {table} AS {definition} UNION ALL {old}")


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
