"""The migrations on a real database, against the metadata and back."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from sorobanflow.errors import SchemaError
from sorobanflow.store import schema
from sorobanflow.store.tables import metadata


def test_migrations_give_the_tables_of_the_metadata(engine: Engine) -> None:
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_downgrade_removes_every_table_and_upgrade_brings_them_back(engine: Engine) -> None:
    schema.downgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    schema.upgrade(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_prepare_refuses_another_revision_and_says_what_to_run(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"9999.*0001.*deployments\.migrate"):
        schema.prepare(engine)


def test_every_table_and_column_says_what_it_is() -> None:
    for table in metadata.tables.values():
        assert table.comment is not None
        assert "Key:" in table.comment or "One row" in table.comment
        assert [column.name for column in table.columns if not column.comment] == []
