"""Whole ledgers under faults, of a data lake and of a node's getLedgers.

Any schedule ends with the database of a run without faults. A run that fails writes nothing that
is wrong, and the next one goes on; what the source denies becomes a gap, which the next run tries
again.
"""

import math
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from flows.harness import progress
from sorobanflow.errors import LedgerProofError
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.property.fault_databases import Checksums, open_databases
from tests.property.fault_runs import clear
from tests.property.whole_ledger_runs import LAKE, NODE, chain, index_through

IN_SUITE, LONG = 20, 2000

PASSING = (
    *("429/0", "500", "503", "html", "truncate", "drop", "slow/0.01", "404"),
    *("400", "403", "pad/2", "slow/0.3"),
)
OF_OBJECT = ("cut", "other_ledgers")
OF_MANIFEST = ("network", "other_layout")
OF_CALL = (
    *("-32001", "-32003", "-32098", "-32603", "-32005", "-32600", "-32601", "-32602"),
    *("behind/2", "behind/9", "trimmed/3", "trimmed/9"),
)
OF_LEDGERS = (
    *("page/1", "page/2", "repeat", "cursor/0", "stuck", "hole", "other_ledgers", "bound/20000"),
    *(
        f"{kind}/{field}"
        for kind in ("missing", "mistyped")
        for field in (
            *("ledgers", "latestLedger", "oldestLedger", "cursor"),
            *("hash", "sequence", "ledgerCloseTime", "headerXdr", "metadataXdr"),
        )
    ),
)


def entries(name: str, kinds: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    first, more = st.integers(1, 12), st.integers(0, 3)
    return st.builds(lambda n, m, kind: f"{name}:{n}-{n + m}={kind}", first, more, kinds)


tampered = st.integers(0, 2000).map("tampered/{}".format)
drawn = st.integers(0, 1000).map("*:*=random/{}".format)
of_lake = st.one_of(
    entries("object", st.sampled_from((*PASSING, *OF_OBJECT))),
    entries("object", tampered),
    entries("manifest", st.sampled_from((*PASSING, *OF_MANIFEST))),
    drawn,
)
of_node = st.one_of(
    entries("getLedgers", st.sampled_from((*PASSING, *OF_CALL))),
    entries("getLedgers", st.one_of(st.sampled_from(OF_LEDGERS), tampered)),
    entries("getNetwork", st.sampled_from((*PASSING, "network"))),
    drawn,
)


def schedules(source: str) -> st.SearchStrategy[str]:
    entry = of_lake if source == LAKE else of_node
    return st.lists(entry, min_size=1, max_size=6).map(",".join)


class Databases:
    """The database to index into, and what it holds after a run without faults."""

    def __init__(self, engine: Engine, checksums: Checksums) -> None:
        self.engine = engine
        self._checksums = checksums
        self.clear()
        assert index_through(LAKE, "", 2, engine) == []
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


@pytest.mark.parametrize(
    ("source", "faults"),
    [("lake", "object:2-3=tampered/107"), ("ledgers", "getLedgers:2=tampered/75")],
)
def test_ledger_with_another_close_time_is_refused_until_it_is_sound(
    source: str, faults: str, databases: Databases
) -> None:
    databases.clear()
    raised = index_through(source, faults, 1, databases.engine)
    assert raised, raised
    assert [error for error in raised if not error.startswith(LedgerProofError.__name__)] == []
    databases.check()


@pytest.mark.parametrize(
    ("source", "faults"), [("lake", "object:1-2=404"), ("ledgers", "getLedgers:1-4=trimmed/3")]
)
def test_what_the_source_denies_is_a_gap_until_it_has_it(
    source: str, faults: str, databases: Databases
) -> None:
    databases.clear()
    assert index_through(source, faults, 1, databases.engine) == []
    databases.check()


def schedule_test(source: str, examples: int) -> Callable[..., None]:
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(faults=schedules(source), workers=st.sampled_from((1, 3)))
    def test(databases: Databases, faults: str, workers: int) -> None:
        databases.clear()
        note(f"--faults '{faults}'")
        for raised in index_through(source, faults, workers, databases.engine):
            note(raised)
        databases.check()

    return test


test_any_schedule_of_a_lake_ends_with_the_same_database = schedule_test(LAKE, IN_SUITE)
test_any_schedule_of_a_node_ends_with_the_same_database = schedule_test(NODE, IN_SUITE)
test_thousands_of_schedules_of_a_lake = pytest.mark.long(schedule_test(LAKE, LONG))
test_thousands_of_schedules_of_a_node = pytest.mark.long(schedule_test(NODE, LONG))
