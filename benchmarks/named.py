"""A week of one contract's events by name, against the same rows of the plain view.

    python -m benchmarks.named [rounds] [events]

Three contracts emit one event in each ledger, in seven partitions: one that declares it (an enum
in the topics; a struct, a union, a vec and an option in a map), one that declares no events, and
an asset contract. Rows are made in SQL. Each query gives all events of a contract to the client as
text. Variants take turns; what is compared are medians of the CPU that the server's process took,
and of the time.
"""

import os
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psycopg

from benchmarks import common
from sorobanflow.contracts.asset_spec import ASSET_SPEC
from sorobanflow.contracts.reading import read_interface
from sorobanflow.contracts.spec import Spec
from sorobanflow.contracts.stored import ASSET_HASH, store_specs
from sorobanflow.contracts.views import event_view
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.partitions import ensure_partitions, set_partition_ledgers
from sorobanflow.store.pool import PoolSettings

EVENTS, PARTITIONS = 100_000, 7
#: soroban_sdk's own test contract.
WASM = "7c0dea81a72d-custom_types.wasm"
WITHOUT_SPEC = b"\0asm\1\0\0\0"
_G = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"
_SWAP = """{"map": [
    {"key": {"symbol": "amounts"}, "val": {"vec": [{"i128": "5"}, {"i128": "7"}]}},
    {"key": {"symbol": "complex"}, "val": {"vec": [{"symbol": "Asset"}, {"address": "%s"},
        {"i128": "1500"}]}},
    {"key": {"symbol": "memo"}, "val": {"symbol": "hello"}},
    {"key": {"symbol": "strukt"}, "val": {"map": [{"key": {"symbol": "a"}, "val": {"u32": 1}},
        {"key": {"symbol": "b"}, "val": {"bool": true}},
        {"key": {"symbol": "c"}, "val": {"symbol": "d"}}]}}]}"""


class Contract(NamedTuple):
    """A contract: what it runs, the name of its event, and one of it."""

    wasm: str
    event: str
    topics: str
    value: str


def _contracts(declared: str) -> dict[str, Contract]:
    named, address = '{"symbol": "%s"}', f'{{"address": "{_G}"}}'
    swap = f'[{named % "swap"}, {named % "pool"}, {address}, {{"u32": 12}}]'
    transfer = f'[{named % "transfer"}, {address}, {address}, {{"string": "USDC:{_G}"}}]'
    silent = sha256(WITHOUT_SPEC).hexdigest()
    data = _SWAP.replace("%s", _G)
    return {
        "declared": Contract(declared, "SwapEvent", swap, data),
        "undeclared": Contract(silent, "swap_pool", swap, data),
        "asset": Contract(ASSET_HASH, "transfer", transfer, '{"i128": "15000000"}'),
    }


_FILL = """
    INSERT INTO stored.events (closed_at, ledger, tx_index, op_index, event_index, is_system,
        in_successful_call, tx_hash, contract_id, topics, value)
    SELECT timestamptz '2025-01-01' + l * interval '5 s', l, 1, 0, n, false, true,
        decode(md5('a' || l) || md5('b' || l), 'hex'), c, t::jsonb,
        replace(v, '1500', l::text)::jsonb
    FROM generate_series(1, %s) AS l,
        unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS e (c, t, v, n)
"""
_RUNS = "INSERT INTO contract_executables VALUES (%s, 1, 0, 0, 0, 'created', %s, NULL)"
_HELD = "INSERT INTO coverage (stream, ledgers) VALUES ('all', int4multirange(int4range(1, %s)))"


def main(rounds: int, events: int) -> None:
    """Measure, print the table, keep the medians."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        medians = measure(postgres.url, rounds, events)
    print(table(medians, events))
    common.save(
        "named", rounds=rounds, events=events, medians=medians.reset_index().to_dict("records")
    )


def measure(url: str, rounds: int, events: int) -> pd.DataFrame:
    """Give the median seconds, and those of the server's CPU, of each contract and view."""
    code = common.wasm(WASM).read_bytes()
    contracts = _contracts(sha256(code).hexdigest())
    specs = {"declared": read_interface(code).spec, "asset": ASSET_SPEC}
    _make(url, contracts, code, events)
    times = []
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(rounds):
            for name, contract in contracts.items():
                for view, query in _queries(name, contract, specs.get(name)).items():
                    seconds, cpu = _read(connection, query, events)
                    times.append((name, view, seconds, cpu))
    frame = pd.DataFrame(times, columns=["contract", "view", "seconds", "cpu"])
    return frame.groupby(["contract", "view"], sort=False)[["seconds", "cpu"]].median()


def _make(url: str, contracts: dict[str, Contract], code: bytes, events: int) -> None:
    with (
        open_engine(url, PoolSettings(max_idle=1, max_open=2)) as engine,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        schema.prepare(engine)
        connection.execute("INSERT INTO network (passphrase) VALUES ('a benchmark')")
        set_partition_ledgers(engine, events // PARTITIONS + 1)
        ensure_partitions(engine, LedgerRange(1, events))
        for one in (code, WITHOUT_SPEC):
            insert = "INSERT INTO contract_code (wasm_hash, code, deleted) VALUES (%s, %s, false)"
            connection.execute(insert, (sha256(one).hexdigest(), one))
        store_specs(engine)
        for name, contract in contracts.items():
            connection.execute(_RUNS, (name, contract.wasm))
        connection.execute(_HELD, (events + 1,))
        topics = [one.topics for one in contracts.values()]
        values = [one.value for one in contracts.values()]
        connection.execute(_FILL, (events, list(contracts), topics, values))
        connection.execute("VACUUM ANALYZE")


def _queries(name: str, contract: Contract, spec: Spec | None) -> dict[str, str]:
    of = f"WHERE contract_id = '{name}'"
    queries = {
        "events": f"SELECT ledger, topics, value FROM events {of}",
        "events_named": f"SELECT ledger, event, params FROM events_named {of}",
    }
    if spec is not None:
        size = contract.topics.count(", {") + 1
        (event,) = (
            one
            for one in spec.events
            if one.name == contract.event
            and len(one.prefix) + len(one.topics) == size
            and one.data_format == ("map" if name == "declared" else "single_value")
        )
        view = event_view(event, spec)
        columns = ", ".join(f"{one.expression} AS {one.name}" for one in view.columns)
        queries["typed view"] = f"SELECT ledger, {columns} FROM events {of} AND {view.condition}"
    return queries


def _read(connection: "psycopg.Connection[Any]", query: str, events: int) -> tuple[float, float]:
    """Read all rows as text; gives seconds, and those of the server's CPU."""
    began, cpu_began = time.perf_counter(), _cpu(connection)
    size = rows = 0
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT".encode()) as copy:
        for block in copy:
            size += len(block)
            rows += bytes(block).count(b"\n")
    assert rows == events, (query, rows)
    assert size > 50 * events, "events without names"
    return time.perf_counter() - began, _cpu(connection) - cpu_began


def _cpu(connection: "psycopg.Connection[Any]") -> float:
    """Read the seconds of CPU that the server's process of a connection took (Linux)."""
    stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def table(medians: pd.DataFrame, events: int) -> str:
    """Write a row per contract and view."""
    rows = [
        (
            f"{contract}: {view}",
            f"{row.seconds:.2f}",
            f"{row.cpu:.2f}",
            f"{row.cpu / events * 1e6:.1f}",
        )
        for (contract, view), row in medians.iterrows()
    ]
    return common.markdown(("events of a contract", "s", "CPU s", "CPU µs per event"), rows)


if __name__ == "__main__":
    main(common.rounds_wanted(), int(sys.argv[2]) if len(sys.argv) > 2 else EVENTS)
