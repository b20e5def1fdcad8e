"""How far behind the chain live indexing is.

    python -m benchmarks.live [minutes at 5 s] [minutes at 1 s]

A devnet closes a ledger of 300 mixed transactions every 5 s, then every 1 s, while
the flow follows it. Measured is the lag of each ledger: from its close to the
commit that covers it.

When a ledger closes: the devnet closes on a fixed beat of the monotonic clock,
which all processes of a machine share. A few closes are watched with getHealth;
each says that one fell between a question and its answer, and all of them together
leave some milliseconds for the beat, of which the earliest is taken. Then nobody
asks any more. When it is committed: the coverage is read every 50 ms, and a ledger
counts from the answer that names it. Both err on the side of a longer lag, by
some 60 ms. The times in the ledgers cannot serve: they are whole seconds, and made.

The devnet makes a ledger when it is first asked for; what that takes is in the lag.
The flow looks for a new ledger every second; half of that is the floor.
"""

import itertools
import math
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import common, plain
from benchmarks.processes import PARTS, Cpu, Sample, sampled
from deployments.services import devnet
from sorobanflow.sources.rpc.client import RpcClient

TRANSACTIONS = 300  # a ledger
CLOSES_WATCHED = 4
COVERAGE_EVERY_S = 0.05
ASKED_EVERY_S = 0.005


class Beat(NamedTuple):
    """Ledger `ledger` closed at `at`, monotonic seconds; the next ones every `every_s`."""

    ledger: int
    at: float
    every_s: float

    def closed_at(self, ledger: int) -> float:
        """When a ledger closes."""
        return self.at + (ledger - self.ledger) * self.every_s

    def newest(self, at: float) -> int:
        """The newest ledger that is closed."""
        return self.ledger + int((at - self.at) / self.every_s)


def main(minutes: Sequence[float]) -> None:
    """Follow at both rates, print the table, keep the figures."""
    with common.services() as services:
        results = [
            measure(services, every_s, 60 * each)
            for every_s, each in zip((5.0, 1.0), minutes, strict=True)
        ]
    print(table(results))
    common.save("live", rates=results)


def measure(
    services: common.Services, every_s: float, follow_s: float, transactions: int = TRANSACTIONS
) -> dict[str, Any]:
    """Follow for a while; gives the lag's quantiles, seconds, and each part's share of a core."""
    options = ["--close-every", str(every_s), "--transactions-per-ledger", str(transactions)]
    with (
        devnet([*options, "--ledgers", "1"]) as rpc_url,
        common.fresh_database(services.postgres) as url,
        RpcClient(rpc_url) as client,
        plain.open_store(url, client) as engine,
    ):
        beat = watch_beat(client, every_s)
        blocks = common.save_blocks(rpc_url, url)
        cpu, began = Cpu(services.postgres.folder), time.monotonic()
        with sampled(lambda: plain.newest(engine), COVERAGE_EVERY_S) as covered:
            common.run_index(start_ledger="latest", follow_s=follow_s, **blocks)
        ended, used = time.monotonic(), cpu.used()
        stored = common.count_rows(url, "transactions")
        assert stored == (plain.covered(engine).count * transactions,)
    lags = pd.Series(lags_of(covered, beat))
    return {
        "every_s": every_s,
        "ledgers": len(lags),
        "p50": lags.quantile(0.5),
        "p99": lags.quantile(0.99),
        "max": lags.max(),
        "behind": beat.newest(covered[-1].at) - int(covered[-1].value),
        **{part: seconds / (ended - began) for part, seconds in used.items()},
    }


def watch_beat(client: RpcClient, every_s: float) -> Beat:
    """Watch some closes; gives the earliest beat that agrees with all of them."""
    before = time.monotonic()
    first = newest = client.get_health().latest_ledger
    earliest = -math.inf
    while newest < first + CLOSES_WATCHED:
        asked = time.monotonic()
        latest = client.get_health().latest_ledger
        if latest > newest:
            # The question before had another answer, so it was asked before the close.
            earliest = max(earliest, before - (latest - first) * every_s)
            newest = latest
        before = asked
        time.sleep(ASKED_EVERY_S)
    return Beat(first, earliest, every_s)


def lags_of(covered: Sequence[Sample], beat: Beat) -> list[float]:
    """Give the lag of each ledger that closed after the flow had come to the tip.

    Before that it does the ledgers that closed while it started; if it never came
    there, only ledgers after its first commit count.
    """
    commits = [sample for sample in covered if sample.value]
    at_tip = (sample for sample in commits if sample.value >= beat.newest(sample.at) - 1)
    counted_from = next(at_tip, commits[0]).at
    return [
        now.at - beat.closed_at(ledger)
        for before, now in itertools.pairwise(commits)
        for ledger in range(int(before.value) + 1, int(now.value) + 1)
        if beat.closed_at(ledger) > counted_from
    ]


def table(results: Sequence[dict[str, Any]]) -> str:
    """Write the lag and the load at each rate."""
    columns = ("a ledger every", "ledgers", "lag s, p50", "p99", "max", "ledgers behind at the end")
    rows = [
        (
            f"{result['every_s']:g} s",
            f"{result['ledgers']}",
            *(f"{result[name]:.2f}" for name in ("p50", "p99", "max")),
            f"{result['behind']}",
            *(f"{result[part]:.0%}" for part in PARTS),
        )
        for result in results
    ]
    return common.markdown((*columns, *(f"of a core, {part}" for part in PARTS)), rows)


if __name__ == "__main__":
    given = [float(each) for each in sys.argv[1:]]
    main([*given, *(10.0, 2.0)[len(given) :]])
