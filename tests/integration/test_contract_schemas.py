"""The schema of a contract: what its views show before and after an upgrade, and who changes it."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from stellar_sdk import StrKey

from sorobanflow.contracts.asking import ask_for_unknown_contracts, ask_for_unknown_wasms
from sorobanflow.contracts.known import read_ranges, read_versions
from sorobanflow.contracts.learned import learn, read_inferred, store_inferred
from sorobanflow.contracts.names import check_schema_name
from sorobanflow.contracts.reading import read_interface
from sorobanflow.contracts.schema_views import Plan, SchemaView, Version, plan_schema
from sorobanflow.contracts.schemas import (
    changes,
    drop_schema,
    find_schema,
    make_schema,
    read_schemas,
)
from sorobanflow.contracts.spec import Event, Param, Spec
from sorobanflow.contracts.stored import store_specs
from sorobanflow.contracts.types import BytesN
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.devnet.generator.cast import EXCHANGE, PASSPHRASE, TOKEN
from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.rpc.client import RpcClient
from tests.ledgers import generated

LAST = 16
Rows = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def template(indexed: Callable[..., str]) -> str:
    """A database with ledgers in which the exchange is upgraded, in ledger 7."""
    return indexed(generated(), LAST)


@pytest.fixture
def named(engine: Engine) -> Engine:
    """The specs are read, and the node was asked for the exchange's first Wasm."""
    with DevnetServer(Chain(generated(), closed=LAST)) as node, RpcClient(node.url) as client:
        ask_for_unknown_contracts(client, engine, PASSPHRASE)
        ask_for_unknown_wasms(client, engine)
    store_specs(engine)
    return engine


@pytest.fixture
def rows(engine: Engine) -> Iterator[Rows]:
    def read(query: str) -> list[Any]:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    return read


def plan_of(engine: Engine, contract_id: str) -> Plan:
    with engine.begin() as connection:
        versions = read_versions(connection, read_ranges(connection, contract_id))
        declaring = [one.wasm_hash for one in versions if one.spec.events]
        inferred = learn(connection, contract_id, declaring)
        store_inferred(connection, contract_id, inferred)
        return plan_schema(contract_id, versions, inferred)


def make(engine: Engine, name: str, contract_id: str, plan: Plan) -> None:
    with engine.begin() as connection:
        assert make_schema(connection, name, contract_id, plan) == {}


def test_an_upgrade_labels_no_older_event_anew(named: Engine, rows: Rows) -> None:
    plan = plan_of(named, EXCHANGE)
    assert plan.left_out == []
    make(named, "dex", EXCHANGE, plan)
    assert sorted(plan.names) == [
        *("deposit", "deposit_calls", "order_calls", "order_rejected", "position_storage"),
        *("swap", "swap_calls", "swap_v1", "upgrade_calls"),
    ]
    old = rows("SELECT ledger, amount_in = amount_out, side FROM dex.swap_v1 ORDER BY ledger")
    assert [(ledger, alike) for ledger, alike, _ in old] == [(2, True), (6, True)]
    assert old[0][2] == "Sell"
    new = rows("SELECT ledger, fee IS NOT NULL, memo, tier FROM dex.swap ORDER BY ledger")
    assert new == [(10, True, "monthly", "Partner"), (14, True, None, "Standard")]
    assert rows("SELECT ledger, reason FROM dex.order_rejected") == [(16, "SlippageExceeded")]
    assert rows("SELECT ledger FROM dex.deposit ORDER BY ledger") == [(4,), (12,)]


def test_what_only_looks_alike_is_in_no_view(named: Engine) -> None:
    with named.begin() as connection:
        ranges = read_ranges(connection, EXCHANGE)
        (old, old_spec), (new, new_spec) = read_versions(connection, ranges)
        crossed = plan_schema(EXCHANGE, [Version(old, new_spec), Version(new, old_spec)])
        counts = {
            view.name: connection.exec_driver_sql(
                f"SELECT count(*) FROM ({view.query}) AS shown",
                execution_options={"no_parameters": True},
            ).scalar_one()
            for view in crossed.views
            if view.about.startswith("event Swap")
        }
    assert counts == {"swap": 0, "swap_v1": 0}


def test_calls_and_storage_have_names_and_types(named: Engine, rows: Rows) -> None:
    make(named, "dex", EXCHANGE, plan_of(named, EXCHANGE))
    calls = "SELECT ledger, amount_in = result FROM dex.swap_calls ORDER BY ledger"
    assert rows(calls) == [(2, True), (6, True), (10, True), (14, True)]
    upgraded = rows("SELECT ledger, wasm_hash FROM dex.upgrade_calls")  # named by the old Wasm
    after = "SELECT wasm_hash FROM contract_wasms WHERE last_ledger = 16"
    assert upgraded == [(7, rows(f"{after} AND contract_id = '{EXCHANGE}'")[0][0])]
    kinds = "SELECT DISTINCT since, shares > 0, durability FROM dex.position_storage ORDER BY since"
    assert rows(kinds) == [(4, True, "persistent"), (12, True, "persistent")]
    comments = (
        "SELECT col_description('dex.swap'::regclass, attnum) FROM pg_attribute "
        "WHERE attrelid = 'dex.swap'::regclass AND attname = 'amount_out'"
    )
    assert rows(comments) == [("what the trader gets",)]


def test_undeclared_events_are_inferred_and_say_so(named: Engine, rows: Rows) -> None:
    make(named, "gold", TOKEN, plan_of(named, TOKEN))
    told = rows("SELECT obj_description('gold.transfer'::regclass)")[0][0]
    assert "inferred: no Wasm declares it" in told
    shown = "SELECT count(*), sum(value) FROM gold.transfer"
    stored = (
        "SELECT count(*), sum((value->>'i128')::numeric) FROM events "
        f"WHERE contract_id = '{TOKEN}' AND topics->0->>'symbol' = 'transfer'"
    )
    assert rows(shown) == rows(stored)
    with named.begin() as connection:
        lines = read_inferred(connection, TOKEN)
    assert any(one.startswith("transfer(topic_1: soroban_sdk::Address, topic_2") for one in lines)


def test_a_schema_changes_only_as_planned(named: Engine, rows: Rows) -> None:
    whole = plan_of(named, EXCHANGE)
    part = Plan([*whole.views[1:]])
    make(named, "dex", EXCHANGE, part)
    with named.begin() as connection:
        schema = find_schema(connection, "dex", EXCHANGE)
        assert changes(schema, part) == ([], [], [])
        assert changes(schema, whole) == ([whole.views[0].name], [], [])
    gone = whole.views[1].name
    make(named, "dex", EXCHANGE, Plan([whole.views[0], *whole.views[2:]]))
    views = {name for (name,) in rows("SELECT viewname FROM pg_views WHERE schemaname = 'dex'")}
    assert views == whole.names - {gone}
    rows_of_others = "CREATE VIEW dex.mine AS SELECT * FROM dex.swap"
    with named.begin() as connection:
        connection.execute(text(rows_of_others))
    with pytest.raises(ConfigurationError, match=r"dex\.mine depends on"), named.begin() as one:
        drop_schema(one, read_schemas(one)[0])
    with named.begin() as connection:
        connection.execute(text("DROP VIEW dex.mine"))
        drop_schema(connection, read_schemas(connection)[0])
        assert read_schemas(connection) == []


def test_a_view_that_cannot_be_made_keeps_no_other_from_being_made(engine: Engine) -> None:
    large = Event("Large", ("l",), (Param("hash", BytesN(1_001), in_topics=False),), "single_value")
    small = Event("Small", ("s",), (Param("hash", BytesN(1_000), in_topics=False),), "single_value")
    plan = plan_schema(TOKEN, [Version("ab" * 32, Spec((large, small)))])
    assert (plan.names, len(plan.left_out)) == ({"small"}, 1)
    refused = SchemaView("broken", "SELECT nothing", "a view", {})
    with engine.begin() as connection:
        reasons = make_schema(connection, "gold", TOKEN, Plan([refused, *plan.views]))
        assert reasons.keys() == {"broken"}
        assert read_schemas(connection)[0].views.keys() == {"small"}


def test_who_reads_events_reads_a_schema_and_only_who_may_makes_one(
    named: Engine, rows: Rows
) -> None:
    plan = plan_of(named, EXCHANGE)
    with named.begin() as connection:
        connection.execute(text("GRANT SELECT ON events TO pg_monitor"))
        connection.execute(text("SET LOCAL ROLE pg_monitor"))
        with pytest.raises(ConfigurationError, match="SOROBANFLOW_OWNER_URL"):
            make_schema(connection, "dex", EXCHANGE, plan)
        connection.rollback()
    with named.begin() as connection:
        connection.execute(text("GRANT SELECT ON events TO pg_monitor"))
    make(named, "dex", EXCHANGE, plan)
    may = "has_schema_privilege('pg_monitor', 'dex', 'USAGE')"
    assert rows(f"SELECT {may}, has_table_privilege('pg_monitor', 'dex.swap', 'SELECT')") == [
        (True, True)
    ]


def test_names_of_others_are_refused(named: Engine) -> None:
    make(named, "dex", EXCHANGE, Plan())
    with named.begin() as connection:
        connection.execute(text("CREATE SCHEMA theirs"))
        for name, contract_id, wrong in (
            ("dex", TOKEN, f"the schema dex is of {EXCHANGE}"),
            ("other", EXCHANGE, "has the schema dex already"),
            ("theirs", TOKEN, "there is a schema theirs already"),
        ):
            with pytest.raises(ConfigurationError, match=wrong):
                find_schema(connection, name, contract_id)


@pytest.mark.parametrize("name", ["", "Dex", "1a", "select", "pg_x", "public", "a" * 64, 'a"b'])
def test_a_name_that_cannot_be_a_schema_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        check_schema_name(name)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("*-*.wasm", {"event": 28, "calls": 97, "stored": 9}),
        pytest.param("*.wasm", {"event": 28, "calls": 893, "stored": 214}, marks=pytest.mark.long),
    ],
)
def test_real_wasms_give_schemas(
    files: str, expected: dict[str, int], engine: Engine, test_data: Path
) -> None:
    views = Counter[str]()
    for number, path in enumerate(sorted((test_data / "wasms").glob(files))):
        contract_id = StrKey.encode_contract(bytes([number]) * 32)
        plan = plan_schema(
            contract_id, [Version(path.stem, read_interface(path.read_bytes()).spec)]
        )
        assert plan.left_out == []
        make(engine, f"real_{number}", contract_id, plan)
        views.update(view.about.partition(" ")[0] for view in plan.views)
    assert views == expected
