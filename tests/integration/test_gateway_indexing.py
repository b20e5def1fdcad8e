"""Whole ranges through the pipeline into PostgreSQL: sparse chains, and gateways that cut answers.

The transactions are recorded ones of the public network.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sorobanflow.devnet import (
    Chain,
    DevnetServer,
    LedgerSupply,
    ListedLedgers,
    Recording,
    parse_faults,
)
from sorobanflow.devnet.supply import Ledger
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Decoders
from sorobanflow.pipeline.pipeline import Pipeline, Target
from sorobanflow.pipeline.runner import ThreadRunner
from sorobanflow.pipeline.sizer import BatchBounds, BatchSizer
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.coverage import Stream, open_stream, pin_network, read_coverage

MIB = 2**20
SPARSE = LedgerRange(1, 24_000)


def index(
    supply: LedgerSupply,
    engine: Engine,
    ledgers: LedgerRange,
    faults: str = "",
    latency_s: float = 0,
) -> RpcStats:
    """Index a range into an empty database, with five workers."""
    stats, stream = RpcStats(), Stream()
    server = DevnetServer(Chain(supply), latency_s=latency_s, faults=parse_faults(faults))
    planner = TransactionPlanner("auto", filtered=False, workers=5, batch_calls=20)
    with server, RpcClient(server.url, hook=stats) as client, ThreadRunner(5) as runner:
        pin_network(engine, supply.network.passphrase)
        open_stream(engine, stream, ledgers.first)
        Pipeline(
            runner,
            RpcSource(client, supply.network.passphrase, None, planner),
            Decoders(supply.network.passphrase, 0),
            Target(engine, stream),
            BatchSizer(BatchBounds(1000, 250, 8000)),
            lambda ledgers, rows: None,
        ).run(ledgers)
    assert read_coverage(engine, stream.name).covered == (ledgers,)
    return stats


def count(engine: Engine, table: str) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_sparse_chain_is_fetched_once(
    recording_path: Callable[[str], Path], engine: Engine
) -> None:
    """24,000 ledgers, of which 11 hold 650 transactions: 3.3 MiB of answers hold them."""
    recording = Recording(recording_path("pubnet-30822015"))
    busy = [recording.ledger(recording.first + number) for number in range(11)]
    ledgers = [
        Ledger(12_000 + number, one.close_time, one.protocol, one.transactions)
        for number, one in enumerate(busy)
    ]
    supply = ListedLedgers(ledgers, *SPARSE, recording.network)
    stats = index(supply, engine, SPARSE, latency_s=0.05)
    assert count(engine, "transactions") == 650
    assert stats.calls <= 22
    assert stats.size_bytes <= 3.4 * MIB


@pytest.mark.parametrize("ledgers_after", [0, 3])
@pytest.mark.parametrize(
    ("name", "transactions"), [("pubnet-51000294", 541), ("pubnet-63092990", 236)]
)
def test_ledger_without_events_is_whole_behind_a_gateway_that_bounds_its_answers(
    name: str,
    transactions: int,
    ledgers_after: int,
    recording_path: Callable[[str], Path],
    engine: Engine,
) -> None:
    recording = Recording(recording_path(name))
    ledger = recording.ledger(recording.first)
    vars(ledger)["events"] = ()
    first, last = ledger.sequence, ledger.sequence + ledgers_after
    supply = ListedLedgers([ledger], first, last, recording.network)
    index(supply, engine, LedgerRange(first, first), "*:*=bound/300000")
    assert count(engine, "transactions") == transactions
