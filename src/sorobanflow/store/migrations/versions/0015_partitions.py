"""Partitions of what happened: their size, and the function that makes them"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

#: Its owner makes the partitions, so whoever writes rows needs no right to create tables. What a
#: killed drop left detached gives way. CREATE … PARTITION OF would lock out readers and writers.
_MAKE_PARTITIONS = """
CREATE FUNCTION stored.make_partitions(first_ledger int, last_ledger int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tables CONSTANT text[] := ARRAY[
        'events', 'transactions', 'operations', 'trades', 'token_operations', 'contract_calls'];
    size CONSTANT bigint := coalesce((SELECT partition_ledgers FROM public.network), 120960);
    place bigint := first_ledger;
    low bigint;
    high bigint;
    parent text;
    child text;
BEGIN
    PERFORM pg_advisory_xact_lock(84610834);
    LOOP
        SELECT p.low, p.high INTO low, high FROM stored.partitions AS p
        WHERE place >= p.low AND place < p.high LIMIT 1;
        IF NOT FOUND THEN
            SELECT greatest(place / size * size, max(p.high) FILTER (WHERE p.high <= place)),
                least(place / size * size + size, min(p.low) FILTER (WHERE p.low > place), 2147483648)
            INTO low, high FROM stored.partitions AS p;
        END IF;
        FOREACH parent IN ARRAY tables LOOP
            child := parent || '_' || lpad(low::text, 10, '0');
            CONTINUE WHEN EXISTS (
                SELECT FROM pg_inherits WHERE inhrelid = to_regclass('stored.' || child));
            EXECUTE format('DROP TABLE IF EXISTS stored.%I', child);
            EXECUTE format('CREATE TABLE stored.%I (LIKE stored.%I INCLUDING ALL)', child, parent);
            EXECUTE format('ALTER TABLE stored.%I ATTACH PARTITION stored.%I '
                'FOR VALUES FROM (%s) TO (%s)', parent, child, low,
                CASE WHEN high > 2147483647 THEN 'MAXVALUE' ELSE high::text END);
        END LOOP;
        place := high;
        EXIT WHEN place > 2147483647 OR place > last_ledger
            AND EXISTS (SELECT FROM stored.partitions AS p WHERE p.low > last_ledger);
    END LOOP;
END
$$
"""
_PARTITIONS = r"""
CREATE VIEW stored.partitions AS
SELECT
    i.inhparent AS parent,
    i.inhrelid AS partition,
    b.bounds[1]::bigint AS low,
    coalesce(nullif(b.bounds[2], 'MAXVALUE')::bigint, 2147483648) AS high
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'r'
JOIN pg_class AS t ON t.oid = i.inhparent AND t.relnamespace = 'stored'::regnamespace
CROSS JOIN LATERAL (
    SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((\d+)\) TO \((\w+)\)')
) AS b (bounds)
"""
#: Who reads the tables may see their partitions; who writes rows has them made.
_GRANTS = """
SELECT CASE privilege_type WHEN 'INSERT' THEN 'EXECUTE ON FUNCTION stored.make_partitions'
    ELSE 'SELECT ON stored.partitions' END || ' TO '
    || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
FROM pg_class, aclexplode(relacl)
WHERE pg_class.oid = 'stored.events'::regclass AND privilege_type IN ('INSERT', 'SELECT')
"""


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "network",
        sa.Column(
            "partition_ledgers",
            sa.Integer(),
            server_default=sa.text("120960"),
            nullable=False,
            comment="ledgers of a partition that is made from now on",
        ),
    )
    _run(_PARTITIONS)
    _run(_MAKE_PARTITIONS)
    _run("REVOKE ALL ON FUNCTION stored.make_partitions FROM PUBLIC")
    for grant in op.get_bind().exec_driver_sql(_GRANTS).scalars().all():
        _run(f"GRANT {grant}")


def downgrade() -> None:
    """Take the change back."""
    _run("DROP FUNCTION stored.make_partitions")
    _run("DROP VIEW stored.partitions")
    op.drop_column("network", "partition_ledgers")


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
