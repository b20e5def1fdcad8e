"""Any fault schedule ends with the fault-free database, or with rows that name what is missing.

A failing example prints its schedule in the text form of `--faults`.
"""

import json
import math
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from flows.harness import gaps, progress
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.property.fault_databases import Checksums, Databases, open_databases
from tests.property.fault_oracle import quarantine
from tests.property.fault_runs import LEDGERS, Setup, index_through

CHAINS = 4
IN_SUITE, LONG = 40, 2000

ANY_METHOD = ("getHealth", "getNetwork", "getEvents", "getTransactions", "getTransaction", "*")
PASSING = (
    *("429", "429/0", "429/0.005", "500", "502", "503", "504", "html", "html/503", "truncate"),
    *("drop", "slow/0.01", "-32001", "-32003", "-32098", "-32603", "-32005", "html/403"),
)
REFUSING = ("400", "404", "-32600", "-32601", "-32602", "pad/2", "slow/0.3")
WINDOWS = ("behind", "trimmed")
FIELDS = {
    "getHealth": ("latestLedger", "oldestLedger"),
    "getNetwork": ("passphrase",),
    "getEvents": (
        *("events", "latestLedger", "oldestLedger", "cursor"),
        *("type", "ledger", "ledgerClosedAt", "id", "txHash", "value"),
    ),
    "getTransactions": (
        *("transactions", "latestLedger", "oldestLedger", "cursor", "status", "txHash"),
        *("applicationOrder", "feeBump", "envelopeXdr", "resultXdr", "resultMetaXdr"),
        *("ledger", "createdAt"),
    ),
    "getTransaction": (
        *("latestLedger", "oldestLedger", "status", "txHash", "applicationOrder", "feeBump"),
        *("envelopeXdr", "resultXdr", "resultMetaXdr", "ledger", "createdAt"),
    ),
}


def entries(method: str, kinds: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    first = st.one_of(st.integers(1, 5), st.integers(1, 12))
    calls = st.one_of(
        first.map(str), st.tuples(first, st.integers(0, 4)).map(lambda c: f"{c[0]}-{sum(c)}")
    )
    return st.builds(lambda which, kind: f"{method}:{which}={kind}", calls, kinds)


def forever(method: str, *kinds: str) -> st.SearchStrategy[str]:
    return st.builds(lambda kind: f"{method}:*={kind}", st.sampled_from(kinds))


def numbered(kind: str, low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda number: f"{kind}/{number}")


def of_fields(method: str) -> st.SearchStrategy[str]:
    kinds, fields = st.sampled_from(("missing", "mistyped")), st.sampled_from(FIELDS[method])
    return st.builds(lambda kind, field: f"{kind}/{field}", kinds, fields)


pages = st.one_of(
    numbered("page", 1, 5),
    numbered("bound", 0, 30_000),
    st.sampled_from(("repeat", "cursor/0", "stuck")),
)
of_events = st.one_of(pages, numbered("stray", -4, 4), of_fields("getEvents"))
of_transaction = st.one_of(
    st.sampled_from(("not_found", "other_transaction", "other_envelope")),
    of_fields("getTransaction"),
)
of_transactions = st.one_of(pages, st.just("other_envelope"), of_fields("getTransactions"))
of_batch = st.one_of(
    numbered("partial", 0, 3),
    st.sampled_from(("refuse_batches", "shuffle", "503", "drop", "html", "402", "403", "429")),
)
windows = st.one_of(*(numbered(kind, 1, LEDGERS.size) for kind in WINDOWS))
entry = st.one_of(
    st.sampled_from(ANY_METHOD).flatmap(lambda name: entries(name, st.sampled_from(PASSING))),
    st.sampled_from(ANY_METHOD).flatmap(lambda name: entries(name, windows)),
    st.sampled_from(ANY_METHOD).flatmap(lambda name: entries(name, st.sampled_from(REFUSING))),
    entries("getEvents", of_events),
    entries("getTransactions", of_transactions),
    entries("getTransaction", of_transaction),
    entries("getHealth", of_fields("getHealth")),
    entries("getNetwork", st.one_of(st.just("network"), of_fields("getNetwork"))),
    entries("batch", of_batch),
    st.builds("*:{}-=trimmed/{}".format, st.integers(1, 30), st.integers(1, LEDGERS.size)),
)
background = st.one_of(
    forever("getEvents", "page/1", "page/2", "page/3"),
    forever("getTransactions", "page/1", "page/2", "page/3"),
    forever("batch", "refuse_batches", "shuffle", "partial/0", "429", "html/403"),
    st.integers(0, 1000).map("*:*=random/{0},batch:*=random/{0}".format),
)
schedules = st.builds(
    lambda few, always: ",".join([*few, *always]),
    st.lists(entry, min_size=1, max_size=8),
    st.lists(background, max_size=2),
).filter(  # cut after a stray event, a page says that all before it was delivered: nobody can tell
    lambda faults: not ("=bound" in faults and "=stray" in faults)
)
unfiltered = st.builds(
    lambda **options: Setup(**options),
    chain=st.integers(0, CHAINS - 1),
    batch_size=st.sampled_from((1, 5, 40)),
    workers=st.sampled_from((1, 3)),
)
filtered = st.builds(
    lambda setup, plan, calls: setup._replace(filtered=True, fetch_plan=plan, batch_calls=calls),
    unfiltered,
    st.sampled_from(("hashes", "hashes", "auto", "ledgers")),
    st.sampled_from((1, 2, 20)),
)
setups = st.one_of(unfiltered, filtered)


@pytest.fixture(scope="module")
def databases(
    postgres: EmbeddedPostgres, migrated: str, checksums: Checksums
) -> Iterator[Databases]:
    with open_databases(postgres, migrated, checksums) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "WAIT_S", 0.005)
    # No artifact, however long a slow machine takes: there is no Prefect server to show it.
    monkeypatch.setattr(progress, "LONG_S", math.inf)


def holds(databases: Databases, setup: Setup, faults: str) -> None:
    databases.prepare(setup)
    note(f"--faults '{faults}'")
    for raised in index_through(setup, faults, databases.engine):
        note(raised)
    databases.check(setup)


@pytest.mark.parametrize(
    ("setup", "faults"),
    [
        # One worker: with more, the first call may be the one that proves the tip, which is empty.
        (Setup(workers=1), "getTransactions:1=other_envelope"),
        (
            Setup(filtered=True, fetch_plan="hashes", batch_calls=1),
            "getTransaction:2=other_envelope",
        ),
    ],
)
def test_envelope_of_another_transaction_is_quarantined(
    databases: Databases, setup: Setup, faults: str
) -> None:
    databases.prepare(setup)
    assert index_through(setup, faults, databases.engine) == []
    databases.check(setup)
    [row] = quarantine(databases.engine)
    assert "has the hash" in row.error
    assert json.loads(row.payload)["txHash"] == row.key


def test_item_that_is_delivered_again_to_a_chunk_that_starts_after_it_is_no_stranger(
    databases: Databases,
) -> None:
    setup = Setup(chain=0, batch_size=1, workers=1)
    databases.prepare(setup)
    assert index_through(setup, "getTransactions:2=repeat", databases.engine) == []
    databases.check(setup)


def schedule_test(examples: int) -> Callable[..., None]:
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(setup=setups, faults=schedules)
    def test(databases: Databases, setup: Setup, faults: str) -> None:
        holds(databases, setup, faults)

    return test


test_any_schedule_loses_nothing_unnamed = schedule_test(IN_SUITE)
test_thousands_of_schedules_lose_nothing_unnamed = pytest.mark.long(schedule_test(LONG))
