"""What Prefect costs: batches of 1000 events through the flow, and without it.

    python -m benchmarks.orchestration [rounds]

50 batches of 1000 events and 200 transactions, from a node that answers immediately,
in turns and each into a database of its own:

- the index flow;
- its pipeline with a plain pool of threads in the place of Prefect's task runner:
  the same work, without orchestration;
- plain calls of the core, where one thread reads events, decodes and writes: the
  floor of what needs no pipeline.

All decode in one process, with the garbage collector set as the flow sets it, so
that what differs is Prefect. Measured is the body,
from the first call for the ledgers to the last commit. What comes before it (the
start-up: Prefect, blocks, connections) and after it is stated apart; when
the first task started is what Prefect recorded of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pandas as pd

from benchmarks import common, plain
from benchmarks.processes import PARTS, Cpu
from deployments.services import devnet
from sorobanflow.pipeline.decoding import Decoders, reduced_gc
from sorobanflow.pipeline.pipeline import Pipeline, Target
from sorobanflow.pipeline.runner import ThreadRunner
from sorobanflow.pipeline.sizer import BatchBounds, BatchSizer
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store.embedded import EmbeddedPostgres

BATCHES = 50
LEDGERS, TRANSACTIONS, EVENTS = 10, 20, 5  # each, of the one before
#: What a batch holds, events and transactions.
ITEMS = LEDGERS * TRANSACTIONS * (EVENTS + 1)
WORKERS = 10
FLOW, PIPELINE, PLAIN = "the flow", "its pipeline, without Prefect", "plain calls of the core"
RECORDED_WITHIN_S = 60.0


class Place(NamedTuple):
    """Where a variant takes from, where the databases are, and how much is to do."""

    rpc_url: str
    postgres: EmbeddedPostgres
    batches: int


def main(rounds: int) -> None:
    """Run the rounds, print the tables, keep the medians."""
    with common.services() as services:
        results = measure(services, rounds)
    medians = results.groupby("variant", sort=False).median(numeric_only=True)
    print(table(medians, BATCHES), apart(medians), sep="\n\n")
    common.save("orchestration", rounds=rounds, batches=BATCHES, variants=medians.to_dict("index"))


def measure(services: common.Services, rounds: int, batches: int = BATCHES) -> pd.DataFrame:
    """Let the variants take turns; gives seconds and CPU seconds, a row per measurement."""
    options = ["--ledgers", str(batches * LEDGERS), "--transactions-per-ledger", str(TRANSACTIONS)]
    options += ["--events-per-transaction", str(EVENTS)]
    results = []
    with devnet(options) as rpc_url:
        place = Place(rpc_url, services.postgres, batches)
        _plain(place)  # the devnet makes its ledgers
        for _ in range(rounds):
            for name, run in ((FLOW, _flow), (PIPELINE, _pipeline), (PLAIN, _plain)):
                with reduced_gc():
                    results.append({"variant": name} | run(place))
                print(f"{name}: {results[-1]['seconds']:.2f} s", flush=True)
    return pd.DataFrame(results)


def _flow(place: Place) -> dict[str, float]:
    with _database(place) as url:
        blocks = common.save_blocks(place.rpc_url, url, decode_processes=0, max_workers=WORKERS)
        cpu, called_at = Cpu(place.postgres.folder), time.time()
        summary = common.run_index(start_ledger="oldest", batch_size=ITEMS, **blocks)
        returned_at, used = time.time(), cpu.used()
    start_s = _first_task_started() - called_at
    end_s = returned_at - called_at - start_s - summary.seconds
    return {"seconds": summary.seconds, "start": start_s, "end": end_s, **used}


def _first_task_started() -> float:
    """Unix time at which the first task of the newest flow run started."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import (  # noqa: PLC0415
        FlowRunFilter,
        FlowRunFilterId,
    )
    from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort  # noqa: PLC0415

    deadline = time.monotonic() + RECORDED_WITHIN_S
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        first = TaskRunSort.EXPECTED_START_TIME_ASC
        while time.monotonic() < deadline:
            tasks = client.read_task_runs(flow_run_filter=wanted, sort=first, limit=1)
            if tasks and tasks[0].start_time:
                return tasks[0].start_time.timestamp()
            time.sleep(0.5)  # the server records task runs after the flow has ended
    raise AssertionError(f"the Prefect server recorded no task within {RECORDED_WITHIN_S:.0f} s")


def _pipeline(place: Place) -> dict[str, float]:
    with (
        _database(place) as url,
        RpcClient(place.rpc_url) as client,
        plain.open_store(url, client) as engine,
        ThreadRunner(WORKERS) as runner,
    ):
        passphrase = client.get_network().passphrase
        planner = TransactionPlanner("auto", filtered=False, workers=WORKERS, batch_calls=50)
        pipeline = Pipeline(
            runner,
            RpcSource(client, passphrase, None, planner),
            Decoders(passphrase, 0),
            Target(engine, plain.STREAM),
            BatchSizer(BatchBounds(ITEMS, ITEMS, ITEMS)),
            lambda ledgers, rows: None,
        )
        ledgers = plain.node_ledgers(client)
        cpu, began = Cpu(place.postgres.folder), time.monotonic()
        pipeline.run(ledgers)
        return {"seconds": time.monotonic() - began, **cpu.used()}


def _plain(place: Place) -> dict[str, float]:
    with (
        _database(place) as url,
        RpcClient(place.rpc_url) as client,
        plain.open_store(url, client) as engine,
    ):
        passphrase = client.get_network().passphrase
        cpu, began = Cpu(place.postgres.folder), time.monotonic()
        for fetched in plain.fetch_batches(client, workers=WORKERS, ledgers_each=LEDGERS):
            plain.write(engine, plain.rows_of(fetched, passphrase))
        return {"seconds": time.monotonic() - began, **cpu.used()}


@contextmanager
def _database(place: Place) -> Iterator[str]:
    """Give a new database; all batches must be in it at the end."""
    transactions = place.batches * LEDGERS * TRANSACTIONS
    with common.fresh_database(place.postgres) as url:
        yield url
        stored = common.count_rows(url, "events", "transactions")
        assert stored == (transactions * EVENTS, transactions)


def table(medians: pd.DataFrame, batches: int) -> str:
    """Write what a batch takes, and which part of the flow's time is Prefect's."""
    flow_s = medians.loc[FLOW, "seconds"]
    columns = ("variant", "ms a batch", "of the flow", *(f"CPU ms, {part}" for part in PARTS))
    rows = [
        (
            name,
            f"{row['seconds'] * 1000 / batches:.1f}",
            f"{row['seconds'] / flow_s:.2f}",
            *(f"{row[part] * 1000 / batches:.1f}" for part in PARTS),
        )
        for name, row in medians.iterrows()
    ]
    return common.markdown(columns, rows)


def apart(medians: pd.DataFrame) -> str:
    """Say what the body does not hold."""
    start_s, end_s = (float(medians.at[FLOW, part]) for part in ("start", "end"))
    return (
        f"Before the first call for the ledgers {start_s:.2f} s, "
        f"after the last commit {end_s:.2f} s; the flow's CPU includes both."
    )


if __name__ == "__main__":
    main(common.rounds_wanted())
