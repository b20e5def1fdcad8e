-- Roles with the least privilege: one that indexes, one that reads.
--
--     psql -v ON_ERROR_STOP=1 -f deployments/roles.sql "$OWNER_URL"
--
-- Run it as the role that migrates, or as a superuser, after `sorobanflow migrate`.
-- A second run changes nothing. Neither role can log in: create users, and grant one of them,
--     CREATE USER me PASSWORD '…' IN ROLE sorobanflow_indexer;
-- Tables and views of later migrations get the same privileges. The role PUBLIC loses all its
-- privileges on this database, including temporary tables.
DO $$
DECLARE
    owner text := (SELECT tableowner FROM pg_tables
                   WHERE schemaname = 'public' AND tablename = 'alembic_version');
    later text;
    this text := quote_ident(current_database());
    role text;
    schema text;
BEGIN
    IF owner IS NULL THEN
        RAISE EXCEPTION 'there are no tables yet: run sorobanflow migrate first';
    END IF;
    FOREACH role IN ARRAY ARRAY['sorobanflow_indexer', 'sorobanflow_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %s TO %I', this, role);
    END LOOP;

    -- public has what people read; stored the partitions behind it; unmoved, while
    -- `sorobanflow migrate` moves rows, those of an older release.
    FOR schema IN SELECT nspname FROM pg_namespace
    WHERE nspname IN ('public', 'stored', 'unmoved') LOOP
        later := format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I ', owner, schema);
        FOREACH role IN ARRAY ARRAY['sorobanflow_indexer', 'sorobanflow_reader'] LOOP
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema, role);
            EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', schema, role);
            EXECUTE later || format('GRANT SELECT ON TABLES TO %I', role);
        END LOOP;
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I '
            'TO sorobanflow_indexer', schema);
        EXECUTE later || 'GRANT INSERT, UPDATE, DELETE ON TABLES TO sorobanflow_indexer';
    END LOOP;
    -- Makes partitions in the name of their owner.
    GRANT EXECUTE ON FUNCTION stored.make_partitions TO sorobanflow_indexer;

    -- Audits copy rows into temporary tables, and delete rows that the node does not have.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %s TO sorobanflow_indexer', this);
    REVOKE DELETE ON public.coverage, public.network FROM sorobanflow_indexer;
    -- What is dropped is for the owner, who alone can drop it.
    REVOKE INSERT, UPDATE, DELETE ON public.dropped FROM sorobanflow_indexer;
    REVOKE INSERT, UPDATE, DELETE ON public.alembic_version FROM sorobanflow_indexer;

    EXECUTE format('REVOKE ALL ON DATABASE %s FROM PUBLIC', this);
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
END
$$;
