"""How fast a backfill is end to end, and what each of its parts takes alone.

    python -m benchmarks.backfill [rounds]

Recorded ledgers, served without latency, are indexed by the flow into a database
of its own: transactions a second, and the CPU seconds of each process. In turns
with it, the parts alone, as plain calls of the core in one thread but for the
fetching: fetch (events and transactions, not decoded), decode (XDR to its SEP-51
form), rows (what making the rows of what was fetched takes beyond that), write (the
batches upserted). The garbage collector is set as the flow sets it. Side by side the
parts can take no less than the longest of them, nor than their sum over the cores:
that is the floor.
"""

import os
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from benchmarks import common, plain
from benchmarks.processes import PARTS, Cpu
from deployments.services import devnet
from sorobanflow.pipeline.decoding import reduced_gc
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.embedded import EmbeddedPostgres

WORKERS = 10
#: Events of a batch; a batch of the flow grows to about as much.
MAX_EVENTS_IN_BATCH = 10_000
FLOW = "end to end"
STEPS = FETCH, DECODE, ROWS, WRITE = "fetch", "decode", "rows", "write"


def main(rounds: int) -> None:
    """Run the rounds, print the tables, keep the medians."""
    with common.services() as services:
        results = measure(services, rounds, common.RECORDINGS)
    medians = results.groupby("recording", sort=False).median(numeric_only=True)
    print(table(medians), cpu_table(medians), sep="\n\n")
    common.save("backfill", rounds=rounds, recordings=medians.to_dict("index"))


def measure(services: common.Services, rounds: int, recordings: Sequence[str]) -> pd.DataFrame:
    """Give seconds per part and CPU seconds per process, a row per round and recording."""
    results = []
    for name in recordings:
        with devnet(["--recording", str(common.recording(name))]) as rpc_url:
            for number in range(rounds + 1):
                one = _flow(rpc_url, services.postgres) | _parts(rpc_url, services.postgres)
                print(f"{name}: {one['transactions'] / one[FLOW]:,.0f} transactions/s", flush=True)
                if number:  # in the first, the devnet reads its events and Prefect is loaded
                    results.append({"recording": name} | one)
    return pd.DataFrame(results)


def _flow(rpc_url: str, postgres: EmbeddedPostgres) -> dict[str, float]:
    with common.fresh_database(postgres) as url:
        blocks = common.save_blocks(rpc_url, url)
        cpu = Cpu(postgres.folder)
        summary = common.run_index(start_ledger="oldest", max_workers=WORKERS, **blocks)
        used = cpu.used()
        stored = common.count_rows(url, "transactions", "events")
    with RpcClient(rpc_url) as client:
        assert stored == _held(client)
    return {FLOW: summary.seconds, "transactions": stored[0], "events": stored[1], **used}


def _held(client: RpcClient) -> tuple[int, int]:
    batches = [*plain.fetch_batches(client, MAX_EVENTS_IN_BATCH)]
    return sum(len(b.transactions) for b in batches), sum(len(b.events) for b in batches)


def _parts(rpc_url: str, postgres: EmbeddedPostgres) -> dict[str, float]:
    with common.fresh_database(postgres) as url, RpcClient(rpc_url) as client:
        passphrase = client.get_network().passphrase
        with plain.open_store(url, client) as engine:
            make = partial(plain.rows_of, passphrase=passphrase)
            with reduced_gc():
                fetch_s, fetched = _timed(
                    lambda: [*plain.fetch_batches(client, MAX_EVENTS_IN_BATCH, WORKERS)]
                )
                decode_s, _ = _timed(lambda: plain.decode_all(fetched))
                made_s, batches = _timed(lambda: [make(batch) for batch in fetched])
                write_s, _ = _timed(lambda: _write_all(engine, batches))
        (written,) = common.count_rows(url, "transactions")
        assert written == sum(len(batch.transactions) for batch in fetched)
    return {FETCH: fetch_s, DECODE: decode_s, ROWS: made_s - decode_s, WRITE: write_s}


def _write_all(engine: Engine, batches: Iterable[BatchRows]) -> None:
    for batch in batches:
        plain.write(engine, batch)


def _timed(work: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def floor_s(row: "pd.Series[float]") -> float:
    """Seconds that the parts take at least, with all cores busy all the time."""
    parts = [float(row[part]) for part in STEPS]
    return max(*parts, sum(parts) / len(os.sched_getaffinity(0)))


def table(medians: pd.DataFrame) -> str:
    """Write what the flow and its parts take."""
    columns = ["recording", "transactions", "events", "flow s", "transactions/s"]
    columns += [*(f"{part} alone s" for part in STEPS), "flow of floor"]
    rows = [
        (
            name,
            *(f"{row[part]:,.0f}" for part in ("transactions", "events")),
            f"{row[FLOW]:.2f}",
            f"{row['transactions'] / row[FLOW]:,.0f}",
            *(f"{row[part]:.2f}" for part in STEPS),
            f"{row[FLOW] / floor_s(row):.2f}",
        )
        for name, row in medians.iterrows()
    ]
    return common.markdown(columns, rows)


def cpu_table(medians: pd.DataFrame) -> str:
    """Write the CPU seconds of each process, the flow's start and end included."""
    rows = [(name, *(f"{row[part]:.2f}" for part in PARTS)) for name, row in medians.iterrows()]
    return common.markdown(("recording", *(f"CPU s, {part}" for part in PARTS)), rows)


if __name__ == "__main__":
    main(common.rounds_wanted())
