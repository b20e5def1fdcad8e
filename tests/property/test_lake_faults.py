"""Any schedule of a data lake's faults ends with the database of a run without faults.

A run that fails writes nothing that is wrong, and the next one goes on; an object that the
lake denies becomes a gap, which the next run tries again.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from prefect.logging import disable_run_logger
from sqlalchemy import Engine

from flows.harness import progress
from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Indexer
from sorobanflow.devnet import Chain, ChainLake, Generator, LakeServer, parse_faults
from sorobanflow.errors import LedgerProofError, SorobanflowError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders
from sorobanflow.pipeline.pipeline import Target
from sorobanflow.pipeline.sizer import BatchBounds
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.http import HttpStore
from sorobanflow.sources.lake.opening import open_lake
from sorobanflow.store.coverage import Stream, pin_network, read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.property.fault_databases import Checksums, open_databases
from tests.property.fault_runs import BREAKER, HTTP, RETRY, Impatient, RetryingRunner, clear

#: Of two in each object, but the first, which starts with the chain.
LEDGERS = LedgerRange(1, 9)
IN_SUITE, LONG = 30, 2000
#: Runs within which every schedule of finite length is through.
MAX_RUNS = 40

PASSING = (
    *("429/0", "500", "503", "html", "truncate", "drop", "slow/0.01", "404"),
    *("400", "403", "pad/2", "slow/0.3"),
)
OF_OBJECT = ("cut", "other_ledgers")
OF_MANIFEST = ("network", "other_layout")


def entries(name: str, kinds: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    first, more = st.integers(1, 12), st.integers(0, 3)
    return st.builds(lambda n, m, kind: f"{name}:{n}-{n + m}={kind}", first, more, kinds)


tampered = st.integers(0, 2000).map("tampered/{}".format)
entry = st.one_of(
    entries("object", st.sampled_from((*PASSING, *OF_OBJECT))),
    entries("object", tampered),
    entries("manifest", st.sampled_from((*PASSING, *OF_MANIFEST))),
)
schedules = st.lists(entry, min_size=1, max_size=6).map(",".join)


@cache
def chain() -> Chain:
    return Chain(Generator(seed=3, transactions_per_ledger=2), closed=LEDGERS.last)


@contextmanager
def open_indexer(url: str, engine: Engine, workers: int) -> Iterator[Indexer]:
    """What the flow opens, without its blocks."""
    runner: Any = RetryingRunner(workers)
    client = LakeClient(HttpStore(url, HTTP), workers, retry=RETRY, breaker=BREAKER)
    with client, closing(Impatient(None, str)) as impatient:
        try:
            source = open_lake(client)
            pin_network(engine, source.passphrase)
            decoders = Decoders(source.passphrase, 0)
            bounds = BatchBounds(10, 10, 10)
            target = Target(engine, Stream())
            yield Indexer(runner, source, decoders, target, bounds, impatient)
        except BaseException:
            client.stop()
            raise
        finally:
            runner.close()


def index_through(faults: str, workers: int, engine: Engine) -> list[str]:
    """Run until every ledger is stored; gives what the failed runs raised."""
    raised = []
    with LakeServer(ChainLake(chain(), 2), faults=parse_faults(faults)) as server:
        for _ in range(MAX_RUNS):
            try:
                with disable_run_logger(), open_indexer(server.url, engine, workers) as indexer:
                    indexer.open_stream()
                    index_or_record_gaps(indexer, indexer.pipeline(_ignore), LEDGERS, [])
            except SorobanflowError as error:
                raised.append(f"{type(error).__name__}: {error}")
            if read_coverage(engine, "all").covered == (LEDGERS,):
                return raised
    raise AssertionError(f"not through after {MAX_RUNS} runs: {raised[-3:]}")


def _ignore(ledgers: LedgerRange, rows: Any) -> None:
    """Take note of nothing."""


class Databases:
    """The database to index into, and what it holds after a run without faults."""

    def __init__(self, engine: Engine, checksums: Checksums) -> None:
        self.engine = engine
        self._checksums = checksums
        self.clear()
        assert index_through("", 2, engine) == []
        self._fault_free = checksums(engine)

    def clear(self) -> None:
        clear(self.engine, chain().network.passphrase)

    def check(self) -> None:
        assert self._checksums(self.engine) == self._fault_free


@pytest.fixture(scope="module")
def databases(
    postgres: EmbeddedPostgres, migrated: str, checksums: Checksums
) -> Iterator[Databases]:
    with open_databases(postgres, migrated, checksums) as opened:
        yield Databases(opened.engine, checksums)


@pytest.fixture(autouse=True)
def no_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LONG_S", math.inf)


def test_tampered_object_is_refused_until_it_is_sound(databases: Databases) -> None:
    databases.clear()
    raised = index_through("object:2-3=tampered/50", 1, databases.engine)
    assert raised, raised
    assert [error for error in raised if not error.startswith(LedgerProofError.__name__)] == []
    databases.check()


def test_object_that_the_lake_denies_is_a_gap_until_it_has_it(databases: Databases) -> None:
    databases.clear()
    assert index_through("object:1-2=404", 1, databases.engine) == []
    databases.check()


def schedule_test(examples: int) -> Callable[..., None]:
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(faults=schedules, workers=st.sampled_from((1, 3)))
    def test(databases: Databases, faults: str, workers: int) -> None:
        databases.clear()
        note(f"--faults '{faults}'")
        for raised in index_through(faults, workers, databases.engine):
            note(raised)
        databases.check()

    return test


test_any_schedule_ends_with_the_same_database = schedule_test(IN_SUITE)
test_thousands_of_schedules_end_with_the_same_database = pytest.mark.long(schedule_test(LONG))
