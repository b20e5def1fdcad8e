"""Whether indexing slows down or grows: with what is stored, and within one run.

    python -m benchmarks.growth [rounds]

- Into databases that hold 10^5, 10^6 and 10^7 rows of events (made in SQL, with all
  indexes, in 1, 5 and 50 partitions), in turns: 20 batches of 1000 events, milliseconds
  a ledger of the flow's body. Each round indexes the next ledgers, so the databases grow
  by as much.
- 10,000 ledgers in one run of the flow, with batches of one size: milliseconds a
  ledger, and resident memory of the flow and its decoding processes, for each fifth.

Each is compared with itself: the smallest database, the median fifth, for memory the
second. In the first the run starts its processes, in the last it has nothing to fetch
any more.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import pandas as pd
from sqlalchemy import Engine, text

from benchmarks import common, plain
from benchmarks.processes import Sample, resident_mib, sampled
from deployments.services import devnet
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import tables
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.partitions import ensure_partitions, set_partition_ledgers

STORED = (10**5, 10**6, 10**7)
#: Above the ledgers of the stored rows, which hold 100 events each.
FIRST_LEDGER, STORED_PER_LEDGER = 1_000_001, 100
STORED_PARTITION_LEDGERS = 2000
TRANSACTIONS, EVENTS = 20, 5  # each, of the one before
BATCH_LEDGERS = 10
BATCH_ITEMS = BATCH_LEDGERS * TRANSACTIONS * (EVENTS + 1)
RUN_TRANSACTIONS = 4  # a ledger: 10,000 ledgers are as many as the devnet keeps
RUN_BATCH_ITEMS = 5000
FIFTHS = 5
COVERAGE_EVERY_S, MEMORY_EVERY_S = 0.05, 0.5

_FILL = text("""
INSERT INTO stored.events (closed_at, ledger, tx_index, op_index, event_index, is_system,
                            in_successful_call, tx_hash, contract_id, topics, value)
SELECT timestamptz '2025-01-01' + n / :each * interval '5 s',
       n / :each + 1, n % :each + 1, 0, 0, false, true,
       decode(md5((n / 5)::text) || md5((n / 5 + 1)::text), 'hex'),
       'C' || upper(substr(md5((n % 1000)::text) || md5((n % 1000 + 1)::text), 1, 55)),
       jsonb_build_array(
           jsonb_build_object('symbol', 'transfer'),
           jsonb_build_object('address', 'G' || upper(md5(n::text))),
           jsonb_build_object('address', 'G' || upper(md5((n + 1)::text)))
       ),
       jsonb_build_object('i128', n::text)
FROM generate_series(0, :rows - 1) AS n
""")


class Size(NamedTuple):
    """How much is stored before, indexed on top of it, and indexed in one run."""

    stored: Sequence[int] = STORED
    batches: int = 20
    ledgers: int = 10_000


def main(rounds: int) -> None:
    """Run both, print the tables, keep the medians."""
    with common.services() as services:
        times = measure_stored(services, rounds)
        medians = times.groupby("stored", sort=False)["ms"].agg(["median", "min", "max"])
        print(stored_table(medians), flush=True)
        fifths = measure_run(services, rounds).groupby("fifth").median()
    print("", run_table(fifths), sep="\n")
    common.save(
        "growth",
        rounds=rounds,
        ms_per_ledger_by_stored=medians["median"].to_dict(),
        fifths=fifths.to_dict("records"),
    )


def measure_stored(
    services: common.Services, rounds: int, size: Size | None = None
) -> pd.DataFrame:
    """Give `stored` and `ms` a ledger, a row per measurement."""
    size = size or Size()
    ledgers = size.batches * BATCH_LEDGERS
    results = []
    with ExitStack() as stack:
        urls = [
            (rows, stack.enter_context(common.fresh_database(services.postgres)))
            for rows in size.stored
        ]
        for number in range(rounds + 1):
            first = FIRST_LEDGER + number * ledgers
            with devnet(_options(first, ledgers, TRANSACTIONS)) as rpc_url:
                if not number:
                    _fill_all(urls, rpc_url)
                with RpcClient(rpc_url) as client:
                    _have_made(client)
                for rows, url in urls:
                    blocks = common.save_blocks(rpc_url, url)
                    summary = common.run_index(
                        start_ledger="oldest", batch_size=BATCH_ITEMS, **blocks
                    )
                    assert summary.rows["events"] == ledgers * TRANSACTIONS * EVENTS
                    ms = summary.seconds * 1000 / ledgers
                    print(f"{rows:,} events stored: {ms:.1f} ms a ledger", flush=True)
                    if number:  # the first loads Prefect, and fills PostgreSQL's memory
                        results.append({"stored": rows, "ms": ms})
        for rows, url in urls:
            indexed = (rounds + 1) * ledgers * TRANSACTIONS * EVENTS
            assert common.count_rows(url, "events") == (rows + indexed,)
    return pd.DataFrame(results)


def _fill_all(urls: Sequence[tuple[int, str]], rpc_url: str) -> None:
    for rows, url in urls:
        with RpcClient(rpc_url) as client, plain.open_store(url, client) as engine:
            _fill(engine, rows)
        print(f"{rows:,} events made", flush=True)


def _fill(engine: Engine, rows: int) -> None:
    """Store events; indexes but for the key are built on the whole, which takes less time."""
    set_partition_ledgers(engine, STORED_PARTITION_LEDGERS)
    ensure_partitions(engine, LedgerRange(1, (rows - 1) // STORED_PER_LEDGER + 1))
    for index in tables.events.indexes:
        index.drop(engine)
    with engine.begin() as connection:
        connection.execute(_FILL, {"rows": rows, "each": STORED_PER_LEDGER})
    for index in tables.events.indexes:
        index.create(engine)
    with engine.connect() as connection:
        driver_connection(connection).execute("VACUUM ANALYZE stored.events")
        driver_connection(connection).execute("CHECKPOINT")


def measure_run(services: common.Services, rounds: int, size: Size | None = None) -> pd.DataFrame:
    """Give ledgers, milliseconds a ledger and resident memory, a row per round and fifth."""
    size = size or Size()
    results = []
    with (
        devnet(_options(1, size.ledgers, RUN_TRANSACTIONS)) as rpc_url,
        RpcClient(rpc_url) as client,
    ):
        _have_made(client)
        for _ in range(rounds):
            with (
                common.fresh_database(services.postgres) as url,
                plain.open_store(url, client) as engine,
            ):
                blocks = common.save_blocks(rpc_url, url)
                with (
                    sampled(resident_mib, MEMORY_EVERY_S) as memory,
                    sampled(lambda: plain.covered(engine).count, COVERAGE_EVERY_S) as covered,
                ):
                    common.run_index(start_ledger="oldest", batch_size=RUN_BATCH_ITEMS, **blocks)
                assert common.count_rows(url, "transactions") == (size.ledgers * RUN_TRANSACTIONS,)
            results.append(in_fifths(covered, memory, size.ledgers))
    return pd.concat(results)


def in_fifths(covered: Sequence[Sample], memory: Sequence[Sample], ledgers: int) -> pd.DataFrame:
    """Cut a run into fifths, each from the sample that reached one border to the next's.

    The first starts with the first commit, so that the flow's start-up is not in it.
    """
    results = []
    before = next(sample for sample in covered if sample.value)
    for fifth in range(1, FIFTHS + 1):
        border = ledgers * fifth / FIFTHS
        now = next((sample for sample in covered if sample.value >= border), covered[-1])
        if now.value > before.value:
            held = [sample.value for sample in memory if before.at < sample.at <= now.at]
            ms = (now.at - before.at) * 1000 / (now.value - before.value)
            memory_mib = max(held, default=math.nan)
            results.append({"fifth": fifth, "ledger": now.value, "ms": ms, "mib": memory_mib})
            before = now
    return pd.DataFrame(results)


def _options(first: int, ledgers: int, transactions: int) -> list[str]:
    options = ["--first-ledger", str(first), "--ledgers", str(ledgers)]
    options += ["--transactions-per-ledger", str(transactions)]
    return [*options, "--events-per-transaction", str(EVENTS)]


def _have_made(client: RpcClient) -> None:
    """Have the devnet make its ledgers before anything is timed."""
    for _ in plain.fetch_batches(client, ledgers_each=100):
        pass


def stored_table(medians: pd.DataFrame) -> str:
    """Write what a ledger takes by what is stored."""
    first = medians["median"].iloc[0]
    rows = [
        (f"{stored:,}", *(f"{ms:.2f}" for ms in row), f"{row['median'] / first:.2f}")
        for stored, row in medians.iterrows()
    ]
    columns = ("events stored", "ms a ledger, median", "min", "max", "of the first")
    return common.markdown(columns, rows)


def run_table(fifths: pd.DataFrame) -> str:
    """Write what a ledger takes, and the memory held, along a run."""
    usual, second = fifths["ms"].median(), fifths.iloc[min(1, len(fifths) - 1)]
    rows = [
        (
            f"{row['ledger']:,.0f}",
            f"{row['ms']:.2f}",
            f"{row['ms'] / usual:.2f}",
            f"{row['mib']:.0f}",
            f"{row['mib'] / second['mib']:.2f}",
        )
        for _, row in fifths.iterrows()
    ]
    columns = ("up to ledger", "ms a ledger", "of the median", "resident MiB", "of the second")
    return common.markdown(columns, rows)


if __name__ == "__main__":
    main(common.rounds_wanted())
