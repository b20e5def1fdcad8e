"""Keep rows in PostgreSQL: tables, pool, upsert, coverage, migrations."""
