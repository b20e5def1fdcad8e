-- Databases and logins of deployments/compose.yaml, created once, in an empty data folder.
--
--     psql -v ON_ERROR_STOP=1 -f deployments/postgres-init.sql "$SUPERUSER_URL"
--
-- Passwords come from the environment, so no list of processes shows them:
--     PREFECT_DB_PASSWORD    prefect: owns Prefect's database
--     OWNER_DB_PASSWORD      sorobanflow: owns the chain's data; only migrates
--     INDEXER_DB_PASSWORD    indexer: writes rows, changes no schema
--     READER_DB_PASSWORD     reader: reads; for Grafana and your own queries
-- The privileges of the last two are in roles.sql, which runs after each migration.
\getenv prefect_password PREFECT_DB_PASSWORD
\getenv owner_password OWNER_DB_PASSWORD
\getenv indexer_password INDEXER_DB_PASSWORD
\getenv reader_password READER_DB_PASSWORD
-- Fails here, before anything is created, if one is missing or empty.
SELECT 1 / least(length(:'prefect_password'), length(:'owner_password'),
                 length(:'indexer_password'), length(:'reader_password')) AS passwords_are_given;

CREATE ROLE prefect LOGIN PASSWORD :'prefect_password';
CREATE DATABASE prefect OWNER prefect;
REVOKE ALL ON DATABASE prefect FROM PUBLIC;

CREATE ROLE sorobanflow_indexer NOLOGIN;
CREATE ROLE sorobanflow_reader NOLOGIN;
CREATE ROLE sorobanflow LOGIN PASSWORD :'owner_password';
CREATE ROLE indexer LOGIN PASSWORD :'indexer_password' IN ROLE sorobanflow_indexer;
CREATE ROLE reader LOGIN PASSWORD :'reader_password' IN ROLE sorobanflow_reader;
CREATE DATABASE stellar OWNER sorobanflow;
REVOKE ALL ON DATABASE stellar FROM PUBLIC;
-- A reader's forgotten query must not block a migration or the vacuum for ever.
ALTER ROLE reader SET statement_timeout = '5min';
ALTER ROLE reader SET idle_in_transaction_session_timeout = '1min';
