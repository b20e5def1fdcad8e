"""Fault schedules through the real index flow, run again until every ledger is accounted for.

`tests/property` runs the same property over hundreds of schedules, without Prefect.
"""

from collections.abc import Iterator

import pytest

from blocks import StellarRpc
from deployments.register_blocks import register_blocks
from flows.harness import live
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, parse_faults
from sorobanflow.errors import SorobanflowError
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from tests.prefect_home import unique_name
from tests.property.fault_databases import Checksums, Databases, open_databases
from tests.property.fault_runs import LEDGERS, Setup, source_of

MAX_RUNS = 8
SCHEDULES = [
    *(f"*:*=random/{seed},batch:*=random/{seed}" for seed in range(1, 7)),
    "*:12-=trimmed/4,getEvents:*=page/2",
    "getHealth:2=trimmed/3,getEvents:2=missing/txHash,getTransactions:1=mistyped/ledger",
    "getEvents:2=stray/2,getTransactions:*=page/1,getTransactions:3=repeat,batch:*=shuffle",
    "getNetwork:2=network,getEvents:2=-32602,getTransactions:2=cursor/0",
    "getEvents:1=missing/events,getEvents:3=truncate,getEvents:3=stuck,getHealth:1=behind/3",
    "getTransaction:1-2=not_found,getTransaction:5=other_transaction,batch:1=partial/1",
]


@pytest.fixture(scope="module")
def databases(
    postgres: EmbeddedPostgres, migrated: str, checksums: Checksums
) -> Iterator[Databases]:
    with open_databases(postgres, migrated, checksums) as opened:
        yield opened


def save_blocks(rpc_url: str, database_url: str) -> dict[str, str]:
    """Save blocks whose waits are short; gives the flow's parameters."""
    name = unique_name("faults")
    register_blocks(
        {
            "SOROBANFLOW_BLOCK": name,
            "SOROBANFLOW_RPC_URL": rpc_url,
            "SOROBANFLOW_DATABASE_URL": database_url,
        }
    )
    node = StellarRpc.load(name)
    assert isinstance(node, StellarRpc)
    node.retry_base_s = node.retry_cap_s = 0.005
    node.breaker_open_s = 0.01
    node.batch_calls = 3
    node.save(name, overwrite=True)
    return {"rpc": name, "database": name}


@pytest.mark.parametrize(("number", "faults"), [*enumerate(SCHEDULES)])
def test_flow_loses_nothing_unnamed(
    number: int, faults: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.01)
    filtered = number % 2 == 1
    setup = Setup(chain=number % 4, filtered=filtered)
    options = {"topics": [["*", "**"]], "fetch_plan": "hashes"} if filtered else {}
    databases.prepare(setup)
    with DevnetServer(Chain(source_of(setup.chain)), faults=parse_faults(faults)) as server:
        blocks = save_blocks(server.url, databases.url)
        raised = []
        for _ in range(MAX_RUNS):
            try:
                index(
                    **blocks, start_ledger=1, allow_gap=True, batch_size=5, max_workers=3, **options
                )
            except SorobanflowError as error:
                raised.append(error)
            if read_coverage(databases.engine, setup.stream.name).accounted == [LEDGERS]:
                break
        else:
            raise AssertionError(f"not through after {MAX_RUNS} runs: {raised}")
    databases.check(setup)
