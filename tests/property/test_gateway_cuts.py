"""A gateway that cuts any answer anywhere never changes the database, nor what an audit finds.

It cuts pages and batches by items or bytes, a page with the cursor that follows. Half of the
chains have nodes that give no events of half of the transactions: events cannot make up for
what pages lack.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import text

from sorobanflow.audit.agreement import Compared, compare
from sorobanflow.devnet import Chain, DevnetServer, parse_faults
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store.claims import read_claims
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.property.fault_databases import Checksums, Databases, open_databases
from tests.property.fault_runs import LEDGERS, QUIET, RETRY, Setup, index_through, source_of

#: Each run and its audit cut some thirty answers.
RUNS = 15

PAGES = [*(f"page/{items}" for items in range(1, 6)), *(f"bound/{n}000" for n in range(0, 30, 3))]
BATCHES = [*(f"partial/{n}" for n in range(4)), "bound/0", "bound/9000", "bound/20000"]


def cuts(method: str, kinds: list[str]) -> st.SearchStrategy[str]:
    def schedule(some: list[str], then: str) -> str:
        entries = [f"{method}:{call}={kind}" for call, kind in enumerate(some, start=1)]
        return ",".join([*entries, f"{method}:{len(some) + 1}-={then}"])

    kind = st.sampled_from(kinds)
    return st.builds(schedule, st.lists(kind, max_size=10), kind)


gateways = st.builds(
    lambda *schedules: ",".join(schedules),
    cuts("getEvents", PAGES),
    cuts("getTransactions", PAGES),
    cuts("batch", BATCHES),
)
unfiltered = st.builds(
    lambda **options: Setup(**options),
    chain=st.sampled_from((0, 1, QUIET, QUIET + 1)),
    batch_size=st.sampled_from((5, 40)),
    workers=st.sampled_from((1, 3)),
)
filtered = st.builds(
    lambda setup, plan, calls: setup._replace(filtered=True, fetch_plan=plan, batch_calls=calls),
    unfiltered,
    st.sampled_from(("hashes", "ledgers")),
    st.sampled_from((2, 20)),
)


@pytest.fixture(scope="module")
def databases(
    postgres: EmbeddedPostgres, migrated: str, checksums: Checksums
) -> Iterator[Databases]:
    with open_databases(postgres, migrated, checksums) as opened:
        yield opened


def audited(databases: Databases, setup: Setup, faults: str) -> Compared:
    supply, engine = source_of(setup.chain), databases.engine
    server = DevnetServer(Chain(supply), faults=parse_faults(faults))
    planner = TransactionPlanner(setup.fetch_plan, setup.filtered, 1, setup.batch_calls)
    with server, RpcClient(server.url, retry=RETRY) as client:
        source = RpcSource(client, supply.network.passphrase, setup.event_filter, planner)
        return compare(engine, source, LEDGERS, read_claims(engine, [LEDGERS]))


@settings(
    max_examples=RUNS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(setup=st.one_of(unfiltered, filtered), faults=gateways)
def test_cut_answers_change_nothing(databases: Databases, setup: Setup, faults: str) -> None:
    databases.prepare(setup)
    note(f"--faults '{faults}'")
    assert index_through(setup, faults, databases.engine) == []
    databases.check_same(setup)
    assert audited(databases, setup, faults) == Compared(LEDGERS.size)


@pytest.mark.parametrize("filtered", [False, True])
def test_audit_of_cut_answers_finds_what_is_missing(databases: Databases, filtered: bool) -> None:
    setup = Setup(chain=0, filtered=filtered)
    databases.prepare(setup)
    index_through(setup, "", databases.engine)
    with databases.engine.begin() as connection:
        connection.execute(text("DELETE FROM transactions WHERE application_order = 2"))
        connection.execute(text("DELETE FROM events WHERE ledger = 3"))
    found = audited(databases, setup, "getEvents:*=page/1,getTransactions:*=bound/0")
    assert len(found.differences) > 1
    assert found == audited(databases, setup, "")
