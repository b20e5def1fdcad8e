"""The blocks: saved and loaded through a real Prefect API, opened on real services."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.types import SecretDict
from prefect_sqlalchemy import ConnectionComponents
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr, ValidationError
from sqlalchemy import text

from blocks import Database, DataLake, StellarRpc
from blocks.database import ConnectionPool
from blocks.documents import load_block
from blocks.profiles import PoolPreset, ProfileName
from deployments.register_blocks import register_blocks
from flows.backfill import backfill
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError, DatabaseUnavailableError
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from tests.ledgers import generated

Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]


@pytest.mark.parametrize(
    ("preset", "limits"),
    [
        ("low", (5, 25, 1800, 300)),
        ("medium", (10, 100, 3600, 600)),
        ("high", (50, 200, 7200, 1800)),
    ],
)
def test_pool_presets(preset: PoolPreset, limits: tuple[int, int, float, float]) -> None:
    assert ConnectionPool.preset(preset).settings() == PoolSettings(*limits)


@pytest.mark.parametrize(
    ("profile", "batch_size", "workers", "max_open"),
    [("development", 500, 5, 25), ("production", 1000, 10, 100), ("high-load", 2000, 20, 200)],
)
def test_profiles(profile: ProfileName, batch_size: int, workers: int, max_open: int) -> None:
    node = StellarRpc.for_profile(profile)
    assert (node.batch_size, node.max_workers) == (batch_size, workers)
    assert Database.for_profile(profile).pool.max_open == max_open


def test_defaults_are_production_and_medium() -> None:
    assert StellarRpc() == StellarRpc.for_profile("production")
    assert Database() == Database(pool=ConnectionPool.preset("medium"))


@pytest.mark.parametrize("kind", [StellarRpc, Database, DataLake, ConnectionPool])
def test_unknown_field_is_refused(kind: Any) -> None:
    with pytest.raises(ValidationError, match="pool_sze"):
        kind(pool_sze=3)


def test_every_field_says_what_it_is() -> None:
    kinds = (StellarRpc, Database, DataLake, ConnectionPool)
    fields = [one for kind in kinds for one in kind.model_fields.items()]
    assert [name for name, field in fields if not field.description] == []
    shown = [one for kind in kinds for one in kind.model_json_schema()["properties"].values()]
    assert [one for one in shown if "\n" in one["description"]] == []
    titles = {one.get("title") for one in shown}
    assert {"Timeout (seconds)", "Max batch (MiB)", "Max requests per second"} <= titles


def test_two_addresses_are_refused() -> None:
    parts = ConnectionComponents(driver="postgresql+psycopg", database="x")
    with pytest.raises(ValidationError, match="give one of them"):
        Database(url=SecretStr("postgresql:///x"), credentials=parts)


def test_registering_again_changes_only_what_the_environment_says() -> None:
    name = {"SOROBANFLOW_BLOCK": "again"}
    urls = {"RPC_URL": "https://node/key", "DATABASE_URL": "postgresql:///rows"}
    register_blocks(name | {f"SOROBANFLOW_{key}": url for key, url in urls.items()})
    register_blocks(name | {"SOROBANFLOW_PROFILE": "high-load", "SOROBANFLOW_LAKE_URL": "/lake"})
    register_blocks(name | {"SOROBANFLOW_RPC_HEADERS": '{"x-key": "k"}'})
    node, database = load_block(StellarRpc, "again"), load_block(Database, "again")
    written = _written("again")
    register_blocks(name | {f"SOROBANFLOW_{key}": url for key, url in urls.items()})
    assert _written("again") == written  # nothing changed: nothing was saved
    assert node.url.get_secret_value() == "https://node/key"
    assert node.headers is not None
    assert node.headers.get_secret_value() == {"x-key": "k"}
    assert (node.max_workers, node.batch_size, database.pool.max_idle) == (20, 2000, 50)
    lake = load_block(DataLake, "again")
    assert (lake.url.get_secret_value(), lake.max_workers) == ("/lake", 20)
    assert database.url is not None
    assert database.url.get_secret_value() == "postgresql:///rows"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SOROBANFLOW_PROFILE", "huge", "'huge'; valid are development, production, high-load"),
        ("SOROBANFLOW_RPC_HEADERS", "planted-secret", "not a JSON object"),
    ],
)
def test_bad_environment_is_refused(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        register_blocks({"SOROBANFLOW_BLOCK": "bad", variable: value})
    assert "planted-secret" not in str(caught.value)


def test_api_masks_secrets_and_nothing_prints_them() -> None:
    register_blocks(
        {
            "SOROBANFLOW_BLOCK": "masked",
            "SOROBANFLOW_RPC_URL": "https://user:planted-1@node/planted-2?key=planted-3",
            "SOROBANFLOW_RPC_HEADERS": '{"authorization": "planted-4"}',
            "SOROBANFLOW_DATABASE_URL": "postgresql://me:planted-5@host/rows",
            "SOROBANFLOW_LAKE_URL": "https://lake/path?token=planted-6",
        }
    )
    with get_client(sync_client=True) as client:
        documents = [
            client.read_block_document_by_name(
                "masked", slug, include_secrets=False
            ).model_dump_json()
            for slug in ("stellar-rpc", "sorobanflow-database", "data-lake")
        ]
    node, database = load_block(StellarRpc, "masked"), load_block(Database, "masked")
    with node.client() as client_of_node:
        lake = load_block(DataLake, "masked")
        printed = [repr(node), repr(database), repr(lake), client_of_node.endpoint, *documents]
    assert client_of_node.endpoint == node.address == "https://node"
    assert '"address":"https://node"' in documents[0]
    assert "planted" not in "".join(printed)


def test_address_follows_an_edit_in_the_form_and_the_key_stays() -> None:
    StellarRpc(url=SecretStr("https://old/key"), headers=SecretDict({"k": "s"})).save("edited")
    with get_client(sync_client=True) as client:

        def saved() -> dict[str, Any]:
            return client.read_block_document_by_name("edited", "stellar-rpc").data

        document = client.read_block_document_by_name("edited", "stellar-rpc")
        edit = BlockDocumentUpdate(data={"url": "https://new/key"}, merge_existing_data=True)
        client.update_block_document(document.id, edit)
        before = saved()
        assert load_block(StellarRpc, "edited").address == "https://new"
        assert saved() == before | {"address": "https://new"}
    assert (before["address"], before["headers"]) == ("https://old", {"k": "s"})


def test_unsaved_default_is_a_block_of_defaults_and_other_names_are_refused() -> None:
    assert load_block(StellarRpc, "default") == StellarRpc()
    with pytest.raises(ConfigurationError, match=r"'nobody'.*sorobanflow blocks"):
        load_block(StellarRpc, "nobody")
    with pytest.raises(ConfigurationError, match=r"data-lake.*'default' is not saved"):
        load_block(DataLake, "default")


def test_name_that_is_not_saved_is_answered_with_those_that_are() -> None:
    for name in ("a-mainnet", "a-testnet"):  # the first of those of all tests
        DataLake(url=SecretStr("/lake")).save(name, overwrite=True)
    with pytest.raises(
        ConfigurationError, match=r"'a-mainet' is not saved; did you mean a-mainnet\?"
    ):
        load_block(DataLake, "a-mainet")
    with pytest.raises(ConfigurationError, match=r"\(saved: .*a-mainnet, .*a-testnet"):
        load_block(DataLake, "x")


def test_block_chosen_in_the_form_is_the_one_that_a_run_uses(
    serve: Serve, save_blocks: SaveBlocks
) -> None:
    blocks = save_blocks(serve(Chain(generated(), closed=3)).url)
    with get_client(sync_client=True) as client:
        chosen = client.read_block_document_by_name(blocks["rpc"], "stellar-rpc")
    form = {"rpc": {"$ref": {"block_document_id": str(chosen.id)}}}
    state: Any = index(start_ledger="oldest", **blocks | form, return_state=True)
    assert state.is_completed()


def test_form_offers_the_saved_blocks_or_a_name() -> None:
    offered = {
        name: [arm.get("$ref", arm.get("title")) for arm in schema.get("anyOf", [])]
        for name, schema in backfill.parameters.properties.items()
    }
    assert offered["rpc"] == ["#/definitions/StellarRpc", "name"]
    assert offered["source"] == ["node", "#/definitions/DataLake", "name"]
    assert backfill.parameters.definitions["StellarRpc"]["block_type_slug"] == "stellar-rpc"


def test_saved_block_with_a_deleted_field_loads() -> None:
    StellarRpc(max_workers=3).save("old")
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name("old", "stellar-rpc")
        assert document.id
        data = {**document.data, "xdr_format": "json"}
        client.update_block_document(document.id, BlockDocumentUpdate(data=data))
    assert load_block(StellarRpc, "old").max_workers == 3
    with pytest.raises(ValidationError, match="xml_format"):
        StellarRpc(xml_format="base64")  # type: ignore[call-arg]


def test_client_talks_to_the_blocks_url() -> None:
    with (
        DevnetServer(Chain(generated(), closed=7)) as server,
        StellarRpc(url=SecretStr(server.url)).client() as client,
    ):
        assert client.get_health().latest_ledger == 7


def test_engine_opens_a_url(database_url: str) -> None:
    with Database(url=SecretStr(database_url)).engine() as engine, engine.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_engine_opens_connection_components(database_url: str) -> None:
    known = conninfo_to_dict(database_url)
    parts = ConnectionComponents(
        driver="postgresql+psycopg",
        host=str(known["host"]),
        username="postgres",
        database=str(known["dbname"]),
        query={"application_name": "by parts"},
    )
    with Database(credentials=parts).engine() as engine, engine.begin() as connection:
        name = connection.execute(text("SELECT current_setting('application_name')")).scalar_one()
    assert name == "by parts"


def test_sessions_are_named_after_the_flow(database_url: str) -> None:
    @flow(name="some-flow")
    def named() -> object:
        block = Database(url=SecretStr(database_url))
        with block.engine() as engine, engine.begin() as connection:
            return connection.execute(text("SHOW application_name")).scalar_one()

    assert named() == "sorobanflow some-flow"


def test_engine_without_an_address_is_the_embedded_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Database().engine() as engine, engine.begin() as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
    assert Path(folder).resolve() == tmp_path / ".sorobanflow" / "postgres"


def test_unreachable_database_is_named_without_its_password() -> None:
    opening = open_engine("postgresql://me:planted@127.0.0.1:1/rows", PoolSettings())
    with pytest.raises(DatabaseUnavailableError, match=r"host=127\.0\.0\.1 port=1") as caught:
        opening.__enter__()
    assert "planted" not in str(caught.value)


def test_malformed_database_url_is_refused_without_repeating_it() -> None:
    opening = open_engine("postgresql://me:planted@[/rows", PoolSettings())
    with pytest.raises(ConfigurationError, match="not a libpq connection string") as caught:
        opening.__enter__()
    assert "planted" not in str(caught.value)


def _written(name: str) -> list[Any]:
    """Read when each document of a name was last written."""
    kinds = (StellarRpc, Database, DataLake)
    with get_client(sync_client=True) as client:
        slugs = [kind.get_block_type_slug() for kind in kinds]
        return [client.read_block_document_by_name(name, slug).updated for slug in slugs]
