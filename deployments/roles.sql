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
BEGIN
    IF owner IS NULL THEN
        RAISE EXCEPTION 'there are no tables yet: run sorobanflow migrate first';
    END IF;
    later := format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public ', owner);

    FOREACH role IN ARRAY ARRAY['sorobanflow_indexer', 'sorobanflow_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %s TO %I', this, role);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', role);
        EXECUTE later || format('GRANT SELECT ON TABLES TO %I', role);
    END LOOP;

    -- Audits copy rows into temporary tables, and delete rows that the node does not have.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %s TO sorobanflow_indexer', this);
    GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO sorobanflow_indexer;
    REVOKE DELETE ON public.coverage, public.network FROM sorobanflow_indexer;
    REVOKE INSERT, UPDATE, DELETE ON public.alembic_version FROM sorobanflow_indexer;
    EXECUTE later || 'GRANT INSERT, UPDATE, DELETE ON TABLES TO sorobanflow_indexer';

    EXECUTE format('REVOKE ALL ON DATABASE %s FROM PUBLIC', this);
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
END
$$;
