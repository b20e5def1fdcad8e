"""The backfill flow: real Prefect, real HTTP, real PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.exceptions import ParameterTypeError
from sqlalchemy import Engine, text

from flows.backfill import backfill
from flows.backfill_range import backfill_range
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults
from sorobanflow.errors import (
    ConfigurationError,
    LedgerOutsideRetentionError,
    RetriableError,
    StalledError,
)
from sorobanflow.pipeline.backfill_summary import PlanSummary
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.coverage import Coverage, read_coverage
from tests.flows.flow_server import FlowServer
from tests.flows.load_balancer import balanced
from tests.ledgers import generated
from tests.table_names import fullnames

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
Backfill = Callable[..., RunSummary]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a devnet that stops with the test."""
    with ExitStack() as stack:
        yield lambda chain, **options: stack.enter_context(DevnetServer(chain, **options))


@pytest.fixture
def run_backfill(save_blocks: Callable[[str], dict[str, str]]) -> Backfill:
    """Run the flow from a devnet into the test's database."""

    def run(server: DevnetServer, first: int, last: int, **parameters: Any) -> RunSummary:
        summary: Any = backfill(first, last, **save_blocks(server.url), **parameters)
        return summary  # type: ignore[no-any-return]

    return run


def _empty(engine: Engine, tables: dict[str, tuple[int, str]]) -> None:
    names = fullnames(name for name in tables if name != "network")
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))


def test_concurrent_chunks_give_the_same_database_as_one_index_run(
    serve: Serve,
    run_backfill: Backfill,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    checksums: Checksums,
) -> None:
    server = serve(Chain(generated(), closed=60))
    summary = run_backfill(server, 1, 60, chunk_ledgers=7)
    assert (summary.written, summary.complete, summary.finished) == ([(1, 60)], True, True)
    chunked = checksums(engine)
    _empty(engine, chunked)
    index(**save_blocks(server.url), start_ledger=1)
    with engine.begin() as connection:  # the one thing a backfill does not promise
        connection.execute(text("UPDATE coverage SET indexed_from = NULL"))
    assert checksums(engine) == chunked


def test_covered_ledgers_are_not_asked_for_again(
    serve: Serve, run_backfill: Backfill, engine: Engine, checksums: Checksums
) -> None:
    server = serve(Chain(generated(), closed=40))
    run_backfill(server, 11, 20)
    assert run_backfill(server, 1, 30, chunk_ledgers=4).written == [(1, 10), (21, 30)]
    before, calls = checksums(engine), server.calls["getEvents"]
    assert run_backfill(server, 1, 30).written == []
    assert (checksums(engine), server.calls["getEvents"]) == (before, calls)


def test_force_indexes_covered_ledgers_again_and_repairs_their_rows(
    serve: Serve, run_backfill: Backfill, engine: Engine, checksums: Checksums
) -> None:
    server = serve(Chain(generated(), closed=20))
    run_backfill(server, 1, 20)
    before = checksums(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM events WHERE ledger IN (5, 12)"))
    assert checksums(engine) != before
    assert run_backfill(server, 1, 20, chunk_ledgers=6, force=True).written == [(1, 20)]
    assert checksums(engine) == before


def test_live_indexing_and_a_backfill_do_not_move_each_other(
    serve: Serve,
    run_backfill: Backfill,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
) -> None:
    chain = Chain(generated(), closed=30)
    server = serve(chain)
    index(**save_blocks(server.url), start_ledger=25)
    run_backfill(server, 5, 10)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.indexed_from) == (((5, 10), (25, 30)), 25)
    chain.close(3)
    index(**save_blocks(server.url))
    assert read_coverage(engine, "all").covered == ((5, 10), (25, 33))


def test_backfill_beside_live_indexing_gives_the_same_database(
    flow_server: FlowServer,
    serve: Serve,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    checksums: Callable[[Engine], dict[str, tuple[int, str]]],
) -> None:
    chain = Chain(generated(), closed=60, close_every_s=0.4)
    blocks = save_blocks(serve(chain, latency_s=0.02).url)
    live = flow_server.start("index", {"start_ledger": 55, "follow_s": 12, **blocks})
    while read_coverage(engine, "all").count < 2:
        assert not live.ended
        time.sleep(0.05)
    backfill(1, 54, **blocks, chunk_ledgers=9)
    coverage = read_coverage(engine, "all")
    assert not live.ended, "live indexing ended before the backfill did"
    assert (coverage.covered[0].first, coverage.indexed_from) == (1, 55)
    assert live.wait() == 0
    beside = checksums(engine)
    last = read_coverage(engine, "all").covered[-1].last
    assert last > 62
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {fullnames(beside)}"))
    index(**save_blocks(serve(Chain(generated(), closed=last)).url), start_ledger=1)
    alone = checksums(engine)
    assert {name: one for name, one in alone.items() if name != "coverage"} == {
        name: one for name, one in beside.items() if name != "coverage"
    }
    assert read_coverage(engine, "all").covered == ((1, last),)


def test_backfill_of_a_filter_has_the_stream_of_that_filter(
    serve: Serve, run_backfill: Backfill, engine: Engine
) -> None:
    server = serve(Chain(generated(), closed=6))
    run_backfill(server, 2, 5, topics=[["*", "**"]])
    assert read_coverage(engine, "all") == Coverage()
    with engine.begin() as connection:
        row = connection.execute(text("SELECT filter, ledgers::text, indexed_from FROM coverage"))
        assert row.one() == ({"topics": [["*", "**"]]}, "{[2,6)}", None)


def test_dry_run_writes_nothing_and_estimates_from_a_probe(
    serve: Serve, run_backfill: Backfill, engine: Engine, checksums: Checksums
) -> None:
    uniform = Generator(seed=46, first=100, transactions_per_ledger=2, events_per_transaction=25)
    server = serve(Chain(uniform, closed=100))
    before = checksums(engine)
    summary = run_backfill(server, 90, 199, chunk_ledgers=40, dry_run=True)
    assert checksums(engine) == before
    assert isinstance(summary, PlanSummary)
    assert summary.plan is not None
    assert summary.plan.chunks == [(100, 139), (140, 179), (180, 199)]
    assert summary.plan.lost == [(90, 99)]
    shown = dict(summary.table())
    # 20 ledgers of 50 events fill a batch: a call for events, and one per 200 transactions.
    assert 10 <= int(shown["RPC calls, estimated"]) <= 100
    real = run_backfill(server, 100, 199, chunk_ledgers=40)
    size = real.stats.size_bytes / 2**20
    assert float(shown["MiB to fetch, estimated"]) == pytest.approx(size, rel=0.3)


@pytest.mark.usefixtures("new_database")
def test_dry_run_leaves_a_new_database_without_tables(
    serve: Serve,
    save_blocks: Callable[[str], dict[str, str]],
    database_url: str,
) -> None:
    server = serve(Chain(generated(), closed=10))
    summary: Any = backfill(1, 10, **save_blocks(server.url), dry_run=True)
    assert summary.plan.chunks == [(1, 10)]
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert row.fetchone() == (0,)


def test_ledgers_below_the_retention_are_refused_or_become_a_gap_once(
    serve: Serve, save_blocks: Callable[[str], dict[str, str]], engine: Engine
) -> None:
    blocks: Any = save_blocks(serve(Chain(generated(first=100), closed=20)).url)
    refused = pytest.raises(LedgerOutsideRetentionError, match=r"ledger 80 .* 100; .*allow_gap")
    for flow, options in (
        (backfill, {}),
        (backfill, {"fan_out": "deployments"}),
        (backfill_range, {}),
    ):
        with refused:
            flow(80, 110, **blocks, **options)
    assert read_coverage(engine, "all") == Coverage()
    state = backfill(80, 110, **blocks, allow_gap=True, return_state=True)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((100, 110),), ((80, 99),))
    assert (state.name, state.is_completed()) == ("Incomplete", False)
    assert backfill(80, 110, **blocks, return_state=True).name == "Completed"


def test_ledgers_that_leave_the_node_while_it_runs_become_a_gap_and_the_rest_is_indexed(
    serve: Serve, save_blocks: Callable[[str], dict[str, str]], engine: Engine
) -> None:
    long, short = (
        serve(Chain(generated(), closed=30)),
        serve(Chain(generated(), closed=30, retention=11)),
    )
    with balanced({"getHealth": long.url}, short.url) as url:
        state = backfill(1, 30, **save_blocks(url), chunk_ledgers=8, return_state=True)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((20, 30),), ((1, 19),))
    assert state.name == "Incomplete"


def test_ledgers_that_only_the_health_calls_lost_are_indexed(
    serve: Serve, save_blocks: Callable[[str], dict[str, str]], engine: Engine
) -> None:
    long, short = (
        serve(Chain(generated(), closed=30)),
        serve(Chain(generated(), closed=30, retention=11)),
    )
    with balanced({"getHealth": short.url}, long.url) as url:
        blocks: Any = save_blocks(url)
        state = backfill(1, 30, **blocks, chunk_ledgers=8, allow_gap=True, return_state=True)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((1, 30),), ())
    assert state.name == "Completed"


def test_failed_chunk_is_named_and_the_others_are_indexed(
    serve: Serve, run_backfill: Backfill, engine: Engine
) -> None:
    # Refused for good: the first chunk that asks fails, and is not tried again.
    faulty = serve(Chain(generated(), closed=40), faults=parse_faults("getEvents:1=-32602"))
    with pytest.raises(
        RetriableError, match=r"1 chunks were not indexed .* again to index the rest"
    ) as caught:
        run_backfill(faulty, 1, 40, chunk_ledgers=10)
    covered = read_coverage(engine, "all")
    assert covered.count == 30
    assert any(f"{first}-{first + 9} (Rpc" in str(caught.value) for first in (1, 11))
    assert run_backfill(faulty, 1, 40, chunk_ledgers=10).ledgers == 10
    assert read_coverage(engine, "all").covered == ((1, 40),)


def test_end_above_the_tip_is_refused_with_both_numbers_before_anything_starts(
    serve: Serve, run_backfill: Backfill, engine: Engine
) -> None:
    server = serve(Chain(generated(), closed=9))
    with pytest.raises(ConfigurationError, match=r"end_ledger 10 is above .* newest ledger 9"):
        run_backfill(server, 1, 10)
    assert read_coverage(engine, "all") == Coverage()
    assert not server.calls.get("getEvents")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"chunk_ledgers": 0}, "greater than or equal to 1"),
        ({"fan_out": "ray"}, "'here' or 'deployments'"),
    ],
)
def test_bad_parameter_is_refused(
    parameters: dict[str, Any], message: str, serve: Serve, run_backfill: Backfill
) -> None:
    server = serve(Chain(generated(), closed=1))
    with pytest.raises(ParameterTypeError, match=message):
        run_backfill(server, 1, 1, **parameters)


def test_force_is_refused_with_deployments(serve: Serve, run_backfill: Backfill) -> None:
    server = serve(Chain(generated(), closed=1))
    with pytest.raises(ConfigurationError, match="force works with fan_out 'here' only"):
        run_backfill(server, 1, 1, force=True, fan_out="deployments")


def test_progress_artifact_ends_at_100_percent_with_rate_and_time_left(
    serve: Serve, run_backfill: Backfill
) -> None:
    server = serve(Chain(generated(), closed=23))
    run_backfill(server, 1, 23)
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["backfill-progress"]))
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(artifact_filter=wanted)
    (artifact,) = [one for one in artifacts if "23 of 23 ledgers" in (one.description or "")]
    assert (artifact.type, artifact.data) == ("progress", 100)
    assert "ledgers/s, 0 seconds left" in (artifact.description or "")


def test_node_that_withholds_its_answers_fails_the_run(
    serve: Serve, run_backfill: Backfill, engine: Engine
) -> None:
    faults = parse_faults("getTransactions:3-=429/60")
    server = serve(Chain(generated(), closed=40), faults=faults)
    began = time.monotonic()
    with pytest.raises(
        StalledError, match=r"nothing was committed for 5 s; waited for ledgers \d.*-40, which the"
    ):
        run_backfill(server, 1, 40, chunk_ledgers=5, stall_s=5)
    assert 5 < time.monotonic() - began < 30
    assert read_coverage(engine, "all").count % 5 == 0
    server = serve(Chain(generated(), closed=40))
    run_backfill(server, 1, 40)
    assert read_coverage(engine, "all").covered == ((1, 40),)
