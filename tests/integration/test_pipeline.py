"""The pipeline on threads, without Prefect: a real node, a real database, its own runner."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from sorobanflow.devnet import (
    Chain,
    ChainLake,
    DevnetServer,
    Generator,
    LakeServer,
    ListedLedgers,
    parse_faults,
)
from sorobanflow.errors import LedgerOutsideRetentionError, RpcUnavailableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline import pipeline as pipeline_module
from sorobanflow.pipeline.batch import Batch, Stage, UpsertStep
from sorobanflow.pipeline.decoding import Decoders
from sorobanflow.pipeline.pipeline import MAX_IN_FLIGHT, MAX_WRITING, Pipeline, Target
from sorobanflow.pipeline.runner import Started, Step, ThreadRunner
from sorobanflow.pipeline.sizer import BatchBounds, BatchSizer
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.http import HttpStore
from sorobanflow.sources.lake.opening import open_lake
from sorobanflow.sources.rpc import source as rpc_source
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.source import Source
from sorobanflow.store.coverage import Stream, open_stream, pin_network, read_coverage
from tests.ledgers import generated

LEDGERS = LedgerRange(1, 60)


class Watched(ThreadRunner):
    """Notes which steps are started, after which others, and how many run together."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers)
        self.started: list[Step] = []
        self.after: dict[Step, list[Step]] = {}
        self._step_of: dict[int, Step] = {}
        self._futures: list[Started] = []  # their ids stay theirs

    def start(self, step: Step, after: Sequence[Started] = ()) -> Any:
        self.started.append(step)
        self.after[step] = [self._step_of[id(one)] for one in after]
        future = super().start(step, after)
        self._step_of[id(future)] = step
        self._futures.append(future)
        return future

    def labels(self, kind: str) -> list[str]:
        return [step.label for step in self.started if step.kind == kind]


class Bench:
    """A pipeline with what it needs, and what it wrote."""

    def __init__(self, source: Source, engine: Engine, batch_size: int) -> None:
        pin_network(engine, source.passphrase)
        open_stream(engine, Stream())
        self.runner = Watched(4)
        self.written: list[LedgerRange] = []
        self.pipeline = Pipeline(
            self.runner,
            source,
            Decoders(source.passphrase, 0),
            Target(engine, Stream()),
            BatchSizer(BatchBounds(batch_size, batch_size, batch_size)),
            self._on_written,
        )

    def _on_written(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        self.written.append(ledgers)


Open = Callable[..., Bench]


def source_of(client: RpcClient) -> RpcSource:
    planner = TransactionPlanner("auto", filtered=False, workers=4, batch_calls=10)
    return RpcSource(client, client.get_network().passphrase, None, planner)


@pytest.fixture
def open_bench(engine: Engine) -> Iterator[Open]:
    @contextmanager
    def opened(faults: str, first: int, batch_size: int) -> Iterator[Bench]:
        chain = Chain(generated(first=first), closed=LEDGERS.last)
        with (
            DevnetServer(chain, faults=parse_faults(faults)) as server,
            RpcClient(server.url, retry=RetrySettings(attempts=1)) as client,
        ):
            bench = Bench(source_of(client), engine, batch_size)
            with bench.runner:
                yield bench

    contexts: list[Any] = []

    def start(faults: str = "", first: int = 1, batch_size: int = 100) -> Bench:
        context = opened(faults, first, batch_size)
        contexts.append(context)
        return context.__enter__()  # type: ignore[no-any-return]

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


def test_batches_of_whole_ledgers_end_with_objects_and_grow_by_the_rows_of_the_last(
    engine: Engine,
) -> None:
    lake = ChainLake(Chain(generated(), closed=60), ledgers_per_batch=8)
    with (
        LakeServer(lake) as server,
        LakeClient(HttpStore(server.url, HttpSettings()), 4) as client,
    ):
        bench = Bench(open_lake(client), engine, batch_size=100)  # of some 40 items each
        with bench.runner:
            bench.pipeline.run(LedgerRange(1, 55))
    assert bench.written == [(1, 23), (24, 31), (32, 39), (40, 47), (48, 55)]


def test_pipeline_indexes_a_range_in_ledger_order(open_bench: Open, engine: Engine) -> None:
    bench = open_bench()
    bench.pipeline.run(LEDGERS)
    assert read_coverage(engine, "all").covered == (LEDGERS,)
    assert len(bench.written) > 3
    assert bench.written == sorted(bench.written)
    assert bench.written[0].first == 1
    assert all(
        a.last + 1 == b.first for a, b in zip(bench.written, bench.written[1:], strict=False)
    )


def test_pipeline_starts_each_step_after_those_that_it_builds_on(open_bench: Open) -> None:
    bench = open_bench()
    bench.pipeline.run(LEDGERS)
    kinds = {
        (step.kind, before.kind) for step, after in bench.runner.after.items() for before in after
    }
    assert kinds == {("fetch-transactions", "fetch-events"), ("upsert-batch", "fetch-transactions")}
    upserts = [step for step in bench.runner.started if step.kind == "upsert-batch"]
    before_upserts = [before for step in upserts for before in bench.runner.after[step]]
    assert {*before_upserts} == {
        step for step in bench.runner.started if step.kind == "fetch-transactions"
    }
    assert bench.runner.labels("upsert-batch") == [str(ledgers) for ledgers in bench.written]


def test_pipeline_of_a_range_that_is_indexed_changes_nothing(
    open_bench: Open, engine: Engine, checksums: Callable[[Engine], object]
) -> None:
    bench = open_bench()
    bench.pipeline.run(LEDGERS)
    before = checksums(engine)
    bench.pipeline.run(LedgerRange(10, 40))
    assert checksums(engine) == before


def watch_batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note at each turn how many batches are in flight, and how many of them are being written."""
    held: list[tuple[int, int]] = []
    proceed = Pipeline._proceed

    def watched(pipeline: Pipeline) -> bool:
        batches = pipeline._batches
        held.append((len(batches), sum(one.stage is Stage.WRITING for one in batches)))
        return proceed(pipeline)

    monkeypatch.setattr(pipeline_module.Pipeline, "_proceed", watched)
    return held


def test_pipeline_bounds_the_batches_in_flight(
    open_bench: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = open_bench(batch_size=20)
    held = watch_batches(monkeypatch)
    bench.pipeline.run(LEDGERS)
    assert max(count for count, _ in held) <= MAX_IN_FLIGHT
    assert max(writing for _, writing in held) <= MAX_WRITING


def test_pipeline_bounds_the_batches_in_flight_where_a_dense_stretch_follows_a_quiet_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, dense = 300, 120
    empty, source = (Generator(seed=3, transactions_per_ledger=count) for count in (0, 4))
    ledgers = [*map(empty.ledger, range(1, quiet + 1))]
    ledgers += map(source.ledger, range(quiet + 1, quiet + dense + 1))
    chain = Chain(ListedLedgers(ledgers, 1, quiet + dense, source.network))
    held = watch_batches(monkeypatch)
    monkeypatch.setattr(rpc_source, "MIN_EVENTS_PAGE", 40)  # a page shows that a batch is full
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        bench = Bench(source_of(client), engine, batch_size=20)
        with bench.runner:
            bench.pipeline.run(LedgerRange(1, quiet + dense))
    assert max(count for count, _ in held) == MAX_IN_FLIGHT
    assert max(ledgers.size for ledgers in bench.written) > 50
    assert len(bench.written) > 40
    assert read_coverage(engine, "all").covered == (LedgerRange(1, quiet + dense),)


def test_pipeline_commits_what_comes_before_the_error(open_bench: Open, engine: Engine) -> None:
    bench = open_bench("getEvents:5=503", batch_size=20)
    with pytest.raises(RpcUnavailableError):
        bench.pipeline.run(LEDGERS)
    (covered,) = read_coverage(engine, "all").covered
    assert covered.first == 1
    assert 1 <= covered.last < LEDGERS.last
    assert [str(one) for one in bench.written] == bench.runner.labels("upsert-batch")
    bench.pipeline.run(LedgerRange(covered.last + 1, LEDGERS.last))
    assert read_coverage(engine, "all").covered == (LEDGERS,)


def test_pipeline_raises_what_the_source_refuses(open_bench: Open, engine: Engine) -> None:
    bench = open_bench(first=30)
    with pytest.raises(LedgerOutsideRetentionError):
        bench.pipeline.run(LedgerRange(20, 40))
    assert read_coverage(engine, "all").covered == ()


def test_pipeline_waits_for_the_batch_that_is_being_written_when_another_fails(
    open_bench: Open, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = open_bench(batch_size=20)
    failed, run = threading.Event(), UpsertStep.run

    def slow_first(step: UpsertStep) -> Any:
        if step.label == bench.runner.labels("upsert-batch")[0]:
            failed.set()
            raise RpcUnavailableError("made up")
        assert failed.wait(20)
        return run(step)

    monkeypatch.setattr(UpsertStep, "run", slow_first)
    with pytest.raises(RpcUnavailableError, match="made up"):
        bench.pipeline.run(LEDGERS)
    started = bench.runner.labels("upsert-batch")[1:]
    assert [str(ledgers) for ledgers in bench.written] == started
    assert [str(part) for part in read_coverage(engine, "all").covered] == started


def test_pipeline_fetches_and_decodes_without_writing(open_bench: Open, engine: Engine) -> None:
    bench = open_bench()
    batch = bench.pipeline.fetch_and_decode(LEDGERS)
    assert isinstance(batch, Batch)
    assert batch.ledgers.first == 1
    assert batch.items > 0
    assert bench.runner.labels("upsert-batch") == []
    assert read_coverage(engine, "all").covered == ()
