"""`sorobanflow contract` in a terminal: what it makes, says and refuses."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from deployments.command_line import main
from sorobanflow.devnet.generator.cast import EXCHANGE, TOKEN, asset_contract, asset_name, assets
from tests.ledgers import generated

ASSET = asset_contract(asset_name(assets()[0]))
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def template(indexed: Callable[..., str]) -> str:
    return indexed(generated(), 16)


@pytest.fixture
def say(
    engine: Engine,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Say:
    """Type a command that needs no Prefect; gives its exit code, and what it says."""
    monkeypatch.setenv("SOROBANFLOW_OWNER_URL", database_url)

    def say(*words: str) -> tuple[int, str, str]:
        code = main(["contract", *words])
        return (code, *capsys.readouterr())

    return say


def test_a_schema_is_made_shown_listed_renewed_and_removed(say: Say, engine: Engine) -> None:
    code, said, _ = say("add", EXCHANGE, "--name", "dex")
    assert (code, "dex.swap " in said, "dex.position_storage" in said) == (0, True, True)
    # No run asked the node for the first Wasm, so shapes of its time were learnt.
    assert re.search(r"dex\.swap_inferred +event swap, inferred: no Wasm declares it", said)
    assert say("add", EXCHANGE, "--name", "dex")[:2] == (
        0,
        f"nothing would change: dex has {said.count('dex.')} views\n",
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM stored.events WHERE ledger < 7")
    code, said, _ = say("add", EXCHANGE, "--name", "dex")
    assert code == 1
    assert "would be removed: dex.swap_inferred" in said
    assert "--renew" in said
    assert say("add", EXCHANGE, "--name", "dex", "--renew")[0] == 0
    with engine.begin() as connection:  # a reader of later, whom no view's change brings
        connection.exec_driver_sql("GRANT SELECT ON events TO pg_monitor")
    assert say("add", EXCHANGE, "--name", "dex", "--renew")[0] == 0
    assert _may_read(engine, "pg_monitor")
    _, said, _ = say("show", "dex")
    for part in (f"contract {EXCHANGE}", "1 - 7, to transaction 2", "pub struct Swap {"):
        assert part in said
    assert "dex  C" in say("list")[1]
    assert say("remove", "dex") == (0, "the schema dex is dropped; all rows stay\n", "")
    assert "there are none" in say("list")[1]


def _may_read(engine: Engine, role: str) -> bool:
    with engine.begin() as connection:
        query = f"SELECT has_table_privilege('{role}', 'dex.swap', 'SELECT')"
        return bool(connection.exec_driver_sql(query).scalar())


def test_what_cannot_be_done_is_said_with_what_helps(say: Say) -> None:
    unknown = "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"
    for words, part in (
        (("add", unknown, "--name", "x"), f"--contract-ids {unknown}"),
        (("add", ASSET, "--name", "usdd"), "the views transfers, events_named and calls_named"),
        (("show", unknown), "nothing is stored of"),
        (("show", "dex"), "not a contract id: 'dex'"),
        (("remove", "dex"), "there is no schema 'dex' of a contract; `sorobanflow contract list`"),
    ):
        code, said, error = say(*words)
        assert (code, said) == (2, "")
        assert part in error
    _, said, _ = say("show", TOKEN)
    assert "it is not known what it ran" in said
