"""Whole ledgers through the flows: from a data lake without a node, and from a node."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from blocks import DataLake, StellarRpc
from deployments.local_index import index_job
from deployments.local_job import Job
from flows.audit import audit
from flows.backfill import backfill
from flows.backfill_range import backfill_range
from flows.harness.metrics import VARIABLE
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, parse_faults, write_lake
from sorobanflow.devnet.lake import LakeLayout
from sorobanflow.errors import ConfigurationError, LedgerOutsideRetentionError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.only_whole import LEFT_OPEN
from sorobanflow.store.tables import transactions
from tests.integration.test_filtered_ledgers import GENERATED
from tests.ledgers import generated
from tests.table_names import fullnames

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]
SaveLake = Callable[[Path], dict[str, Any]]

NO_NODE = "http://127.0.0.1:9"
LEDGERS = LedgerRange(1, 24)
#: What a node's answers determine as well as whole ledgers do.
DETERMINED_BY_BOTH = ("events", "transactions", "operations", "token_operations", "tokens")


@pytest.fixture(scope="module")
def whole_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of one ledger an object; nobody changes it."""
    folder = tmp_path_factory.mktemp("lake")
    write_lake(generated(), folder, LEDGERS)
    return folder


@pytest.fixture
def lake(whole_lake: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    folder = tmp_path / "lake"
    for file in whole_lake.rglob("*"):
        if file.is_file():
            copy = folder / file.relative_to(whole_lake)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(file)
    return folder


@pytest.fixture
def save_lake(save_blocks: SaveBlocks) -> SaveLake:
    """Save blocks for a lake and the test's database; gives the flow's parameters."""

    def save(folder: Path) -> dict[str, Any]:
        blocks = save_blocks(NO_NODE)
        DataLake(url=SecretStr(str(folder))).save(blocks["rpc"])
        return {**blocks, "source": blocks["rpc"]}

    return save


def _object(lake: Path, ledger: int) -> Path:
    return lake / LakeLayout().key(ledger)


def _gaps(engine: Engine) -> list[tuple[int, int, str]]:
    query = "SELECT first_ledger, last_ledger, reason FROM gaps ORDER BY 1"
    with engine.begin() as connection:
        return [(*row,) for row in connection.execute(text(query)).tuples()]


def _summary(state: Any) -> RunSummary:
    result = state.result(raise_on_failure=False)
    summary = getattr(result, "summary", result)
    assert isinstance(summary, RunSummary)
    return summary


def _checksums(checksums: Checksums, engine: Engine) -> dict[str, tuple[int, str]]:
    """Give those of the tables without the parts of fees that only whole ledgers tell."""
    parts = ", ".join(f"{name} = NULL" for name in LEFT_OPEN[transactions])
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE stored.transactions SET {parts}"))
    return checksums(engine)


def test_backfill_from_a_lake_without_a_node_is_that_from_a_node(
    whole_lake: Path,
    save_lake: SaveLake,
    save_blocks: SaveBlocks,
    serve: Serve,
    engine: Engine,
    checksums: Checksums,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "prefect.task_runs")
    state: Any = backfill(*LEDGERS, **save_lake(whole_lake), chunk_ledgers=10, return_state=True)
    assert (state.name, _summary(state).written) == ("Completed", [LEDGERS])
    of_tasks = [record for record in caplog.records if record.name == "prefect.task_runs"]
    tasks = {record.__dict__["task_run_name"].split()[0] for record in of_tasks}
    assert tasks == {"fetch-ledgers", "upsert-batch", "report"}
    from_lake = _checksums(checksums, engine)
    with engine.begin() as connection:
        names = fullnames(name for name in from_lake if name != "network")
        connection.execute(text(f"TRUNCATE {names}"))
    backfill(*LEDGERS, **save_blocks(serve(Chain(generated(), closed=LEDGERS.last)).url))
    from_node = _checksums(checksums, engine)
    assert all(from_lake[name] == from_node[name] for name in DETERMINED_BY_BOTH)
    assert from_lake["events"][0] > 100


def test_filtered_backfill_from_a_lake_is_that_from_a_node(
    whole_lake: Path,
    save_lake: SaveLake,
    save_blocks: SaveBlocks,
    serve: Serve,
    engine: Engine,
    checksums: Checksums,
) -> None:
    of_contract: Any = {"contract_ids": [*GENERATED["rare contract"].contract_ids]}
    assert backfill(*LEDGERS, **save_lake(whole_lake), **of_contract).written == [LEDGERS]
    from_lake = _checksums(checksums, engine)
    with engine.begin() as connection:
        names = fullnames(name for name in from_lake if name != "network")
        connection.execute(text(f"TRUNCATE {names}"))
    node = serve(Chain(generated(), closed=LEDGERS.last))
    backfill(*LEDGERS, **save_blocks(node.url), **of_contract)
    assert from_lake == _checksums(checksums, engine)
    assert 0 < from_lake["ledgers"][0] < LEDGERS.size
    # getLedgers gives the same, and nothing is left to index.
    of_node: Any = save_blocks(node.url) | of_contract | {"source": "ledgers"}
    assert backfill(*LEDGERS, **of_node, force=True).written == [LEDGERS]
    assert from_lake == _checksums(checksums, engine)


def test_missing_objects_become_gaps_of_exactly_their_ledgers_with_their_keys(
    lake: Path, save_lake: SaveLake, engine: Engine
) -> None:
    for ledger in (7, 8, 15):
        _object(lake, ledger).unlink()
    blocks = save_lake(lake)
    state: Any = backfill(1, 20, **blocks, chunk_ledgers=12, return_state=True)
    assert state.name == "Incomplete"
    assert "ledgers 7-8, 15 recorded as a gap" in state.message
    gaps = _gaps(engine)
    assert [gap[:2] for gap in gaps] == [(7, 7), (8, 8), (15, 15)]
    assert all(LakeLayout().key(first) in reason for first, _, reason in gaps)
    coverage = read_coverage(engine, "all")
    assert coverage.covered == ((1, 6), (9, 14), (16, 20))
    # The gaps stay, and are indexed as soon as the objects are there.
    write_lake(generated(), lake, LedgerRange(7, 8))
    state = backfill(1, 20, **blocks, return_state=True)
    assert _summary(state).written == [(7, 8)]
    assert [gap[:2] for gap in _gaps(engine)] == [(15, 15)]


def test_start_that_a_lake_does_not_have_is_refused_unless_a_gap_is_allowed(
    lake: Path, save_lake: SaveLake, engine: Engine
) -> None:
    for ledger in (1, 2, 3):
        _object(lake, ledger).unlink()
    blocks = save_lake(lake)
    with pytest.raises(LedgerOutsideRetentionError, match=r"ledger 1 is below .* oldest ledger 4"):
        backfill(1, 8, **blocks)
    state: Any = backfill(1, 8, **blocks, allow_gap=True, return_state=True)
    assert state.name == "Incomplete"
    assert _gaps(engine) == [(1, 3, "the oldest ledger of the data lake was 4")]
    assert read_coverage(engine, "all").covered == ((4, 8),)


def test_ledger_that_fails_a_check_fails_its_chunk_and_the_run(
    lake: Path, save_lake: SaveLake, engine: Engine
) -> None:
    tampered = _object(lake, 6)
    other = _object(lake, 7).read_bytes()
    tampered.unlink()
    tampered.write_bytes(other)
    blocks = save_lake(lake)
    state: Any = backfill(1, 24, **blocks, chunk_ledgers=8, return_state=True)
    assert state.name == "Failed"
    assert "1 chunks were not indexed completely: 1-8" in state.message
    assert LakeLayout().key(6) in state.message
    covered = read_coverage(engine, "all").covered
    assert covered[-1] == (9, 24)
    assert not any(part.holds(6) for part in covered)
    with engine.begin() as connection:
        query = "SELECT count(*) FROM events WHERE ledger = 6"
        assert connection.execute(text(query)).scalar_one() == 0


def test_whole_ledgers_of_a_node_are_followed(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    chain = Chain(generated(), closed=10)
    blocks: Any = save_blocks(serve(chain).url) | {"source": "ledgers"}
    assert index(start_ledger=4, **blocks).written == [(4, 10)]
    chain.close(3)
    assert index(**blocks).written == [(11, 13)]
    assert backfill(1, 13, **blocks).written == [(1, 3)]
    with engine.begin() as connection:
        query = "SELECT count(*) FROM ledgers WHERE proved AND hash IS NOT NULL"
        assert connection.execute(text(query)).scalar_one() == 13


ONLY_LEDGERS = "getHealth:*=-32601,getNetwork:*=-32601,getLedgerEntries:*=-32601"


def test_node_that_offers_getledgers_alone_is_indexed(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    chain = Chain(generated(), closed=20, retention=5, has_data_store=True)
    blocks: Any = save_blocks(serve(chain, faults=parse_faults(ONLY_LEDGERS)).url)
    blocks["source"] = "ledgers"
    with pytest.raises(ConfigurationError, match="set network_passphrase of the stellar-rpc block"):
        backfill(3, 9, **blocks)
    node: Any = StellarRpc.load(blocks["rpc"])
    node.network_passphrase = chain.network.passphrase
    node.save(blocks["rpc"], overwrite=True)
    assert backfill(3, 9, **blocks).written == [(3, 9)]
    assert index(**blocks, start_ledger=18).written == [(18, 20)]


def test_what_a_node_no_longer_has_is_refused_by_itself(
    serve: Serve, save_blocks: SaveBlocks, engine: Engine
) -> None:
    server = serve(Chain(generated(), closed=20, retention=10))
    blocks: Any = save_blocks(server.url) | {"source": "ledgers"}
    with pytest.raises(LedgerOutsideRetentionError, match=r"ledger 5 is below .* oldest ledger 11"):
        backfill(5, 20, **blocks)
    assert read_coverage(engine, "all").covered == ()
    state: Any = backfill(5, 20, **blocks, allow_gap=True, return_state=True)
    assert state.name == "Incomplete"
    assert read_coverage(engine, "all").covered == ((11, 20),)


def test_audit_takes_from_the_lake_what_the_node_no_longer_has(
    lake: Path, serve: Serve, save_lake: SaveLake, save_blocks: SaveBlocks, engine: Engine
) -> None:
    node = serve(Chain(generated(), closed=20, retention=10))
    blocks: Any = save_blocks(node.url)
    index(start_ledger=3, allow_gap=True, **blocks, return_state=True)
    assert [gap[:2] for gap in _gaps(engine)] == [(3, 10)]
    _object(lake, 5).unlink()
    at_lake = save_lake(lake)["source"]
    state: Any = audit(repair=True, lake=at_lake, **blocks, return_state=True)
    assert _summary(state).written == [(3, 4), (6, 10)]
    assert [gap[:2] for gap in _gaps(engine)] == [(5, 5)]
    assert read_coverage(engine, "all").covered == ((3, 4), (6, 20))


def test_audit_repairs_from_the_node_what_a_lake_without_these_ledgers_leaves(
    lake: Path, serve: Serve, save_lake: SaveLake, save_blocks: SaveBlocks, engine: Engine
) -> None:
    node = serve(Chain(generated(), closed=20, retention=10))
    blocks: Any = save_blocks(node.url)
    index(start_ledger=3, allow_gap=True, **blocks, return_state=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE events SET topics = '[]' WHERE ledger = 15"))
    for ledger in range(1, 11):
        _object(lake, ledger).unlink()
    at_lake = save_lake(lake)["source"]
    state: Any = audit(repair=True, lake=at_lake, **blocks, return_state=True)
    assert (state.name, _summary(state).written) == ("Completed", [(15, 15)])
    assert [gap[:2] for gap in _gaps(engine)] == [(3, 10)]


@pytest.mark.parametrize("flow", [backfill, backfill_range])
def test_anchor_with_another_hash_fails_the_run(
    flow: Any, whole_lake: Path, save_lake: SaveLake, engine: Engine
) -> None:
    blocks = save_lake(whole_lake)
    state: Any = flow(1, 5, **blocks, anchor=f"5:{'0' * 64}", return_state=True)
    assert state.name == "Failed"
    assert "ledger 5 " in state.message
    assert "anchor" in state.message
    assert not any(part.holds(5) for part in read_coverage(engine, "all").covered)
    with engine.begin() as connection:
        query = "SELECT count(*) FROM events WHERE ledger = 5"
        assert connection.execute(text(query)).scalar_one() == 0


def test_right_anchor_is_accepted(whole_lake: Path, save_lake: SaveLake, engine: Engine) -> None:
    blocks = save_lake(whole_lake)
    backfill(1, 4, **blocks)
    with engine.begin() as connection:
        query = text("SELECT hash FROM ledgers WHERE sequence = 4")
        anchor = f"4:{connection.execute(query).scalar_one()}"
    assert backfill(1, 4, **blocks, anchor=anchor, force=True).written == [(1, 4)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start_ledger": 50, "end_ledger": 40}, "start_ledger 50 is above end_ledger 40"),
        ({"contract_ids": ["C" + "A" * 55]}, "its checksum is wrong"),
        ({"topics": [["**"]], "anchor": f"5:{'0' * 64}"}, "leave the anchor out, or the filter"),
        ({"anchor": "5"}, "anchor '5' is not valid"),
        ({"anchor": f"30:{'0' * 64}"}, "ledger 30 is not in the range 1-5"),
        ({"anchor": f"5:{'0' * 64}", "source": "rpc"}, "an anchor needs whole ledgers"),
        ({"source": "nowhere"}, "the data-lake block 'nowhere' is not saved"),
    ],
)
def test_what_cannot_be_indexed_is_refused_before_anything_is_written(
    parameters: dict[str, Any], message: str, whole_lake: Path, save_lake: SaveLake
) -> None:
    given = {"start_ledger": 1, "end_ledger": 5, **save_lake(whole_lake)}
    with pytest.raises(ConfigurationError, match=message):
        backfill(**(given | parameters))


def test_end_that_a_lake_does_not_have_yet_is_refused_before_a_run(
    whole_lake: Path,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)  # of the metrics
    monkeypatch.setenv(VARIABLE, "")
    job = Job("lake", {"start_ledger": 1, "end_ledger": 25}, lake=str(whole_lake))
    with pytest.raises(ConfigurationError, match=r"end_ledger 25 is above .* newest ledger 24"):
        index_job(job, None, database_url, 0)
    assert "Beginning flow run" not in caplog.text
