"""How fast rows are written: ours against row by row, 100-row VALUES and plain COPY.

    python -m benchmarks.upsert [rounds]

For every table of a batch, 1,000 and 20,000 rows, and for a whole batch: new
rows, and rows that are all there already. The rows are the devnet's, repeated
under other keys; it deploys no code and no tokens, so those are made up. Each
variant writes into an empty table (or one that holds the rows, freshly
vacuumed), from its first statement to its last commit. Ours makes the ledgers'
rows besides. The variants take turns; medians are compared. Plain COPY, in text
form and without conflict handling, is the floor.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psycopg
from psycopg import sql
from sqlalchemy import Engine, Table

from benchmarks import common, plain
from sorobanflow.devnet import Chain, DevnetServer, Generator
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.state_rows import ContractCodeRow, TokenMetadataRow
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import schema, tables
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.upsert import make_room, write_rows

TABLES = (*tables.HISTORY_TABLES, *tables.STATE_TABLES)
BATCHES, LEDGERS, TRANSACTIONS, EVENTS = 4, 4, 50, 5
CHUNK, SINGLE_LIMIT, CODE_BYTES = 100, 1000, 4096
OURS, FLOOR, SINGLE, VALUES = "ours", "COPY", "row by row", "100-row VALUES"

Row = tuple[Any, ...]
Connection = psycopg.Connection[Any]


class Case(NamedTuple):
    """What is written: a table and its rows, or a whole batch."""

    name: str
    batch: BatchRows

    def rows(self) -> Iterator[tuple[Table, Sequence[Row]]]:
        """The tables that are written, in order."""
        for table in TABLES:
            if rows := getattr(self.batch, table.name):
                yield table, rows


def main(rounds: int) -> None:
    """Run the rounds and print the table."""
    cases = list(_cases())
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        settings = PoolSettings(max_idle=1)
        with open_engine(postgres.url, settings) as engine, psycopg.connect(postgres.url) as raw:
            schema.prepare(engine)
            raw.commit()
            _warm(engine, raw, cases)
            times = [
                {"name": case.name, "rows": size, "there": there, "variant": name, "ms": ms}
                for _ in range(rounds)
                for case in cases
                for there in (False, True)
                for size in [max(len(rows) for _, rows in case.rows())]
                for name, ms in _measure(engine, raw, case, size, there)
            ]
    print(_table(pd.DataFrame(times)))


def _warm(engine: Engine, raw: Connection, cases: Sequence[Case]) -> None:
    """Write each table once: the first time is slower."""
    for case in cases:
        if len(next(case.rows())[1]) <= SINGLE_LIMIT:
            _prepare(engine, raw, case, there=True)
            _ours(engine, case)


def _cases() -> Iterator[Case]:
    batches = _batches()
    made_up: dict[Table, list[Row]] = {
        tables.contract_code: [_code(number) for number in range(100)],
        tables.token_metadata: [
            TokenMetadataRow(
                "C", f"Token {number}", f"TKN{number}", 7, None, None, None, None, False,
                number, 1, 1, 0,
            )
            for number in range(100)
        ],
    }  # fmt: skip
    for table in TABLES:
        source = made_up.get(table) or [
            row for batch in batches for row in batch.by_table()[table.name]
        ]
        for size in (1000, 20_000):
            case = BatchRows(LedgerRange(1, BATCHES * LEDGERS))
            setattr(case, table.name, list(_repeat(table, source, size)))
            if table in tables.HISTORY_TABLES:
                named = {row.ledger for row in getattr(case, table.name)}
                case.closed_at = {
                    ledger: closed
                    for batch in batches
                    for ledger, closed in batch.closed_at.items()
                    if ledger in named
                }
            yield Case(table.name, case)
    yield Case("a whole batch", batches[0])


def _batches() -> list[BatchRows]:
    source = Generator(seed=3, transactions_per_ledger=TRANSACTIONS, events_per_transaction=EVENTS)
    chain = Chain(source, closed=BATCHES * LEDGERS)
    with DevnetServer(chain) as node, RpcClient(node.url) as client:
        passphrase = client.get_network().passphrase
        fetched = plain.fetch_batches(client, ledgers_each=LEDGERS)
        return [plain.rows_of(batch, passphrase) for batch in fetched]


def _code(number: int) -> Row:
    code = b"".join(
        hashlib.sha256(b"%d %d" % (number, n)).digest() for n in range(CODE_BYTES // 32)
    )
    return ContractCodeRow(
        "", code, CODE_BYTES, False, number, 1, 1, 0, 9999, number, 1, number, 1, None
    )


def _repeat(table: Table, source: Sequence[Row], size: int) -> Iterator[Any]:
    """Give so many rows, each under a key of its own, in the order of the keys."""
    keys = table.primary_key.columns.keys()
    name = next(one for one in ("event_index", "application_order", keys[0]) if one in keys)
    numbers = range(size)
    values = numbers if table in tables.PARTITIONED else sorted(_key(table, n) for n in numbers)
    for value, row in zip(values, islice(cycle(source), size), strict=True):
        yield row._replace(**{name: value})  # type: ignore[attr-defined]


def _key(table: Table, number: int) -> str:
    digest = hashlib.sha256(f"{number}".encode()).hexdigest()
    return digest if "hash" in table.primary_key.columns.keys()[0] else f"C{digest[:55].upper()}"


def _measure(
    engine: Engine, raw: Connection, case: Case, size: int, there: bool
) -> Iterator[tuple[str, float]]:
    """Milliseconds of each variant that applies."""
    variants: dict[str, Callable[[], None]] = {
        OURS: lambda: _ours(engine, case),
        VALUES: lambda: _in_chunks(raw, case, CHUNK),
    }
    if size <= SINGLE_LIMIT:
        variants[SINGLE] = lambda: _in_chunks(raw, case, 1)
    if not there:
        variants[FLOOR] = lambda: _copy(raw, case)
    for name, write in variants.items():
        _prepare(engine, raw, case, there)
        began = time.perf_counter()
        write()
        yield name, (time.perf_counter() - began) * 1000


def _prepare(engine: Engine, raw: Connection, case: Case, there: bool) -> None:
    names = sql.SQL(", ").join(common.identifier(table) for table in (*TABLES, tables.ledgers))
    raw.execute(sql.SQL("TRUNCATE {}").format(names))
    raw.commit()
    if there:
        _ours(engine, case)
    raw.autocommit = True
    raw.execute("VACUUM ANALYZE")
    raw.autocommit = False


def _ours(engine: Engine, case: Case) -> None:
    make_room(engine, case.batch)
    with engine.begin() as connection:
        write_rows(connection, case.batch, "all")


def _copy(raw: Connection, case: Case) -> None:
    for table, rows in case.rows():
        statement = sql.SQL("COPY {} FROM STDIN").format(common.identifier(table))
        with raw.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    raw.commit()


def _in_chunks(raw: Connection, case: Case, size: int) -> None:
    """One statement and one transaction for so many rows."""
    for table, rows in case.rows():
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            raw.execute(_insert(table, len(chunk)), [value for row in chunk for value in row])
            raw.commit()


def _insert(table: Table, size: int) -> bytes:
    if (table, size) not in _inserts:
        keys = table.primary_key.columns.keys()
        row = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(table.columns)))
        _inserts[table, size] = (
            sql.SQL("INSERT INTO {} VALUES {} ON CONFLICT ({}) DO UPDATE SET {}")
            .format(
                common.identifier(table),
                sql.SQL(", ").join([row] * size),
                sql.SQL(", ").join(map(sql.Identifier, keys)),
                sql.SQL(", ").join(
                    sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column.name))
                    for column in table.columns
                    if column.name not in keys
                ),
            )
            .as_bytes()
        )
    return _inserts[table, size]


_inserts: dict[tuple[Table, int], bytes] = {}


def _table(times: pd.DataFrame) -> str:
    medians = times.pivot_table(
        index=["name", "rows", "there"],
        columns="variant",
        values="ms",
        aggfunc="median",
        sort=False,
    )
    lines = [
        "| table | rows | | ms, ours | ms, COPY | of COPY's speed "
        "| times faster than row by row | than 100-row VALUES |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for line in medians.reset_index().to_dict("records"):
        ours = line[OURS]
        cells = [
            line["name"],
            f"{line['rows']:,}",
            "existing" if line["there"] else "new",
            f"{ours:.1f}",
            _cell(line[FLOOR], ".1f"),
            _cell(line[FLOOR] / ours, ".2f"),
            _cell(line[SINGLE] / ours, ".0f"),
            _cell(line[VALUES] / ours, ".1f"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float, form: str) -> str:
    """Leave what was not measured empty."""
    return "" if pd.isna(value) else format(value, form)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
