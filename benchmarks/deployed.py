"""How far behind the chain the default deployment is: `prefect.yaml`, with a process worker.

    python -m benchmarks.deployed [minutes]

A devnet closes a ledger of 300 mixed transactions every 5 s. `prefect deploy --all`
and one worker do the rest, as in production: runs start on their schedule and take
the stream over from each other. Measured is the lag of each ledger, from its close to
the commit that covers it, as in `benchmarks.live`, from the moment on at which the
first run has come to the tip; and how the runs of `index` ended. The minutes count from
the first commit, which comes up to five minutes after the deployment.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pandas as pd
import psutil  # type: ignore[import-untyped]

from benchmarks import common, plain
from benchmarks.live import COVERAGE_EVERY_S, TRANSACTIONS, lags_of, watch_beat
from benchmarks.processes import Sample, sampled
from deployments.services import devnet
from sorobanflow.sources.rpc.client import RpcClient

CLOSE_EVERY_S = 5.0
FIRST_S, STOP_S = 900, 60
POOL = ("--pool", "local", "--type", "process")


def main(minutes: float) -> None:
    """Deploy, measure for a while, print the table, keep the figures."""
    with common.services() as services:
        result = measure(services, 60 * minutes)
    print(table(result))
    common.save("deployed", **result)


def measure(
    services: common.Services, seconds: float, transactions: int = TRANSACTIONS
) -> dict[str, Any]:
    """Have the deployments run for a while; gives the lag's quantiles, and runs by state."""
    from deployments.register_blocks import register_blocks  # noqa: PLC0415 - imports Prefect

    options = ["--close-every", str(CLOSE_EVERY_S), "--ledgers", "1"]
    with (
        devnet([*options, "--transactions-per-ledger", str(transactions)]) as rpc_url,
        common.fresh_database(services.postgres) as url,
        RpcClient(rpc_url) as client,
        plain.open_store(url, client) as engine,
    ):
        beat = watch_beat(client, CLOSE_EVERY_S)
        register_blocks({"SOROBANFLOW_RPC_URL": rpc_url, "SOROBANFLOW_DATABASE_URL": url})
        with sampled(lambda: plain.newest(engine), COVERAGE_EVERY_S) as covered, _worker():
            _wait_for_first(covered)
            time.sleep(seconds)
            states = _states()
    lags = pd.Series(lags_of(covered, beat))
    return {
        "minutes": seconds / 60,
        "ledgers": len(lags),
        "p50": lags.quantile(0.5),
        "p99": lags.quantile(0.99),
        "max": lags.max(),
        "runs": states,
    }


def table(result: dict[str, Any]) -> str:
    """Write the lag, and how the runs ended."""
    columns = ("minutes", "ledgers", "lag s, p50", "p99", "max", "runs of `index` by state")
    figures = [f"{result[name]:.2f}" for name in ("p50", "p99", "max")]
    runs = ", ".join(f"{state} {number}" for state, number in sorted(result["runs"].items()))
    row = (f"{result['minutes']:g}", result["ledgers"], *figures, runs)
    return common.markdown(columns, [row])


def _wait_for_first(covered: Sequence[Sample]) -> None:
    """Wait until the first ledger is stored: the schedule begins up to five minutes later."""
    deadline = time.monotonic() + FIRST_S
    while not (covered and covered[-1].value):
        assert time.monotonic() < deadline, "no run of index has stored anything"
        time.sleep(1)


@contextmanager
def _worker() -> Iterator[None]:
    """Deploy everything, and run a worker until the block ends."""
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415

    environment = os.environ | {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}

    def prefect(*arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "prefect", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    for command in (("work-pool", "create", *POOL[1:]), ("--no-prompt", "deploy", "--all")):
        assert prefect(*command).wait() == 0, command
    worker = prefect("worker", "start", *POOL)
    try:
        yield
    finally:
        # A worker that is told to stop waits for its runs, which follow for a quarter of an hour.
        for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        worker.wait(STOP_S)


def _states() -> dict[str, int]:
    """Count the runs of `index` that are not to come, by the name of their state."""
    from prefect import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        filters = FlowFilter(name=FlowFilterName(any_=["index"]))
        runs = client.read_flow_runs(flow_filter=filters, limit=200)
    names = [run.state.name for run in runs if run.state and run.state.name]
    return dict(Counter(name for name in names if name != "Scheduled"))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
