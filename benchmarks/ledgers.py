"""Whole ledgers from a lake and from a node, compared with a node's events and transactions.

    python -m benchmarks.ledgers [rounds]

- The ledgers of applyload-10048 from each source, in turns and each into a database of its
  own: transactions a second of a backfill through the pipeline, without Prefect.
- In turns with it, the CPU of the parts, as plain calls of the core in one thread: fetch;
  read (whole ledgers into items, proved); rows (items, decoded, into rows); write (the
  batches upserted, and what PostgreSQL takes for them). Proofs: the checks of `decode.proofs`,
  with the hashes of transaction sets and envelopes that the reader computes for them; a part
  of "read".
- Generated ledgers from a lake, on one core and on two, in turns: all processes of the run,
  the lake's server and PostgreSQL too, share these cores.
- 10,000 small generated ledgers from a lake: milliseconds a ledger and resident memory of
  this process and those that decode for it, for each fifth, as in `growth`.
"""

import tempfile
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import common, growth, plain
from benchmarks.lakes import (
    GET_LEDGERS,
    LAKE,
    NODE,
    SOURCES,
    Served,
    backfill,
    database,
    on_cores,
    opened,
    served,
)
from benchmarks.processes import POSTGRES, Cpu, resident_mib, sampled
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.proofs import prove
from sorobanflow.decode.raw_ledgers import RawLedger, raw_ledger_reader
from sorobanflow.decode.transactions import network_id
from sorobanflow.ledgers import LedgerRange, split
from sorobanflow.pipeline.decoding import reduced_gc
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import LedgerObject
from sorobanflow.sources.source import FetchedItems, Source, fetch_batch
from sorobanflow.store.embedded import EmbeddedPostgres

FILE, PASSPHRASE = "applyload-10048", "Apply Load"
#: Ledgers of a batch of the parts, of 492 transactions and 2,410 events each: as the flow's.
BATCH_LEDGERS = 3
CORES = 1, 2
FETCH, READ, ROWS, WRITE, PROOFS = "fetch", "read", "rows", "write", "proofs"
PARTS = (FETCH, READ, ROWS, WRITE, POSTGRES)
RATE = "transactions/s"


class Size(NamedTuple):
    """Ledgers of the file; generated ones for the cores, with their transactions; for memory."""

    compared: LedgerRange = LedgerRange(10048, 10077)
    cores: int = 150
    transactions: int = 200
    memory: int = 10_000


def main(rounds: int) -> None:
    """Run all, print the tables, keep the medians."""
    size = Size()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        common.make_template(postgres)
        sources = measure_sources(postgres, rounds, size).groupby("source", sort=False).median()
        print(source_table(sources), flush=True)
        cores = measure_cores(postgres, rounds, size).groupby("cores")[RATE].median()
        print("", core_table(cores), sep="\n", flush=True)
        fifths = measure_memory(postgres, size)
    print("", growth.run_table(fifths), sep="\n")
    common.save(
        "ledgers",
        rounds=rounds,
        sources=sources.to_dict("index"),
        cores=cores.to_dict(),
        fifths=fifths.to_dict("records"),
    )


def measure_sources(postgres: EmbeddedPostgres, rounds: int, size: Size) -> pd.DataFrame:
    """Give transactions a second and CPU µs a transaction, a row per round and source."""
    results = []
    supply = ["--ledger-file", str(common.ledger_file(FILE)), "--passphrase", PASSPHRASE]
    with served(supply, size.compared) as place:
        for number in range(rounds + 1):
            for name in SOURCES:
                one = _rate(place, name, postgres) | _parts(place, name, postgres)
                print(f"{name}: {one[RATE]:,.0f} transactions/s", flush=True)
                if number:  # in the first, node and lake read their files
                    results.append({"source": name} | one)
    return pd.DataFrame(results)


def measure_cores(postgres: EmbeddedPostgres, rounds: int, size: Size) -> pd.DataFrame:
    """Give transactions a second of a backfill from a lake, a row per round and core count."""
    results = []
    supply = ["--transactions-per-ledger", str(size.transactions)]
    with served(supply, LedgerRange(1, size.cores)) as place:
        for number in range(rounds + 1):
            for cores in CORES:
                with on_cores(cores, postgres):
                    rate = _rate(place, LAKE, postgres)[RATE]
                print(f"lake, {cores} core(s): {rate:,.0f} transactions/s", flush=True)
                if number:
                    results.append({"cores": cores, RATE: rate})
    return pd.DataFrame(results)


def measure_memory(postgres: EmbeddedPostgres, size: Size) -> pd.DataFrame:
    """Give ledgers, milliseconds a ledger and resident memory, a row per fifth of a run."""
    supply = ["--transactions-per-ledger", str(growth.RUN_TRANSACTIONS)]
    supply += ["--events-per-transaction", str(growth.EVENTS)]
    with (
        served(supply, LedgerRange(1, size.memory)) as place,
        database(place, postgres) as engine,
        sampled(resident_mib, growth.MEMORY_EVERY_S) as memory,
        sampled(lambda: plain.covered(engine).count, growth.COVERAGE_EVERY_S) as covered,
    ):
        took = backfill(place, LAKE, engine, postgres, items=growth.RUN_BATCH_ITEMS)
        time.sleep(2 * growth.COVERAGE_EVERY_S)
        assert took.transactions == size.memory * growth.RUN_TRANSACTIONS
    return growth.in_fifths(covered, memory, size.memory)


def _rate(place: Served, name: str, postgres: EmbeddedPostgres) -> dict[str, float]:
    with database(place, postgres) as engine:
        took = backfill(place, name, engine, postgres)
    return {RATE: took.transactions / took.seconds, "transactions": took.transactions}


def _parts(place: Served, name: str, postgres: EmbeddedPostgres) -> dict[str, float]:
    """Give CPU µs a transaction of each part."""
    network = network_id(PASSPHRASE)
    with database(place, postgres) as engine, opened(place, name) as one, reduced_gc():
        fetch_s, fetched = _cpu(lambda: _fetch(one.source, place.ledgers))
        objects = [each for _, items in fetched for each in items.objects]
        read_s, _ = _cpu(lambda: [[*read_object(each, network)] for each in objects])
        made_s, batches = _cpu(
            lambda: [
                make_rows(ledgers, *items[:2], PASSPHRASE, objects=items.objects)
                for ledgers, items in fetched
            ]
        )
        cpu = Cpu(postgres.folder)
        write_s, _ = _cpu(lambda: [plain.write(engine, batch) for batch in batches])
        server_s = cpu.used()[POSTGRES]
    proofs_s = _proofs(objects, network) if name == GET_LEDGERS else 0.0
    seconds = (fetch_s, read_s, made_s - read_s, write_s, server_s, proofs_s)
    count = sum(len(batch.transactions) for batch in batches)
    return {part: s * 1e6 / count for part, s in zip((*PARTS, PROOFS), seconds, strict=True)}


def _fetch(source: Source, ledgers: LedgerRange) -> list[tuple[LedgerRange, FetchedItems]]:
    return [
        (part, fetch_batch(source.begin_batch(part, max_events=10**9)))
        for part in split([ledgers], BATCH_LEDGERS)
    ]


def _proofs(objects: Iterable[LedgerObject], network: bytes) -> float:
    """Give the CPU seconds of the proofs of ledgers that stand alone in their objects."""
    read = raw_ledger_reader(network)
    ledgers = [read(each.data, 0)[0] for each in objects]
    return _cpu(lambda: [_prove(ledger, network) for ledger in ledgers])[0]


def _prove(ledger: RawLedger, network: bytes) -> None:
    prove(ledger, FILE)
    for envelope in ledger.tx_set.envelopes:
        sha256(network + envelope.xdr).digest()
    sha256(b"".join(envelope.xdr for envelope in ledger.tx_set.envelopes)).hexdigest()


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """Do some work; gives the CPU seconds that this process took, and the result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def source_table(medians: pd.DataFrame) -> str:
    """Write what each source gives, and takes; proofs are of all whole ledgers the same."""
    proofs = medians.loc[GET_LEDGERS, PROOFS]
    rows = []
    for name, row in medians.iterrows():
        own = sum(row[part] for part in PARTS if part != POSTGRES)
        share = "" if name == NODE else f"{100 * proofs / own:.1f} %"
        rate = f"{row[RATE]:,.0f}", f"{row[RATE] / medians.loc[NODE, RATE]:.2f}"
        rows.append((name, *rate, *(f"{row[part]:.0f}" for part in PARTS), share))
    columns = ["source", RATE, "of the node's", *(f"CPU µs, {part}" for part in PARTS)]
    return common.markdown([*columns, "proofs, of all but PostgreSQL"], rows)


def core_table(medians: "pd.Series[float]") -> str:
    """Write transactions a second by the number of cores."""
    rows = [
        (str(cores), f"{rate:,.0f}", f"{rate / medians.iloc[0]:.2f}")
        for cores, rate in medians.items()
    ]
    return common.markdown(("cores", RATE, "of one core's"), rows)


if __name__ == "__main__":
    main(common.rounds_wanted())
