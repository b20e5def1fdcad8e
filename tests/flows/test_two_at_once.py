"""Two concurrent runs, each in a process of its own, store what one run stores."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.store.coverage import read_coverage
from tests.flows.flow_server import FlowServer
from tests.ledgers import generated
from tests.table_names import fullnames

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
LEDGERS = 40
INDEX = ("index", {"start_ledger": 1, "batch_size": 120})
SMALLER_BATCHES = ("index", {"start_ledger": 1, "batch_size": 80})
#: With force, what the other run has covered is written again.
WHOLE = ("backfill", {"start_ledger": 1, "end_ledger": 40, "chunk_ledgers": 9, "force": True})
FIRST_PART = ("backfill", {"start_ledger": 1, "end_ledger": 30, "chunk_ledgers": 8, "force": True})
LAST_PART = ("backfill", {"start_ledger": 11, "end_ledger": 40, "chunk_ledgers": 7, "force": True})


def _deadlocks(engine: Engine) -> int:
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with engine.begin() as connection:
        return connection.execute(text(query)).scalar_one()


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param((INDEX, SMALLER_BATCHES), id="two-indexes"),
        pytest.param((INDEX, WHOLE), id="index-beside-backfill"),
        pytest.param((FIRST_PART, LAST_PART), id="overlapping-backfills"),
    ],
)
def test_two_concurrent_runs_store_what_one_stores(
    pair: tuple[tuple[str, dict[str, Any]], ...],
    flow_server: FlowServer,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    checksums: Checksums,
) -> None:
    with DevnetServer(Chain(generated(), closed=LEDGERS), latency_s=0.01) as server:
        blocks = save_blocks(server.url)
        both = [flow_server.start(flow, parameters | blocks) for flow, parameters in pair]
        assert [process.wait() for process in both] == [0, 0]
        twice = checksums(engine)
        assert read_coverage(engine, "all").covered == ((1, LEDGERS),)
        assert _deadlocks(engine) == 0
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {fullnames(twice)}"))
        flow_server.run("index", INDEX[1] | blocks)
    once = checksums(engine)
    for tables in (once, twice):  # live indexing promises a start, a backfill does not
        del tables["coverage"]
    assert twice == once
