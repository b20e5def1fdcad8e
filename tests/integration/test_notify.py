"""Messages to whoever listens: of what is committed, and the client that the docs show."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from sorobanflow.errors import SchemaError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.events import EventRow
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.upsert import upsert_batch
from sorobanflow.toid import Position

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 10.0


def _batch(first: int, last: int) -> BatchRows:
    batch = BatchRows(LedgerRange(first, last))
    closed_at = datetime(2026, 1, 1, tzinfo=UTC)
    batch.events = [
        EventRow(
            closed_at,
            *(first, 1, 0, 0),
            False,
            True,
            first.to_bytes(32),
            None,
            '[{"symbol":"fee"}]',
            "{}",
        )
    ]
    batch.closed_at = {first: closed_at}
    return batch


def test_a_message_for_each_committed_batch_and_for_no_other(
    engine: Engine, database_url: str
) -> None:
    open_stream(engine, Stream())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("LISTEN sorobanflow")
        with pytest.raises(SchemaError):
            upsert_batch(engine, _batch(1, 2), "unopened")
        upsert_batch(engine, _batch(3, 4), "all")
        upsert_batch(engine, _batch(5, 9), "all")
        got = [one.payload for one in connection.notifies(timeout=TIMEOUT_S, stop_after=2)]
    assert got == [
        '{"stream":"all","first_ledger":3,"last_ledger":4}',
        '{"stream":"all","first_ledger":5,"last_ledger":9}',
    ]


def test_client_of_the_docs_prints_the_events_of_new_ledgers(
    engine: Engine, database_url: str
) -> None:
    open_stream(engine, Stream())
    section = (ROOT / "docs/production.md").read_text().split("## Listen for new ledgers")[1]
    block = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert block
    program = block[1].replace("postgresql://me@db.example.org/stellar", database_url)
    # The line that lets the test write only when somebody listens.
    program = program.replace(
        "    for message", "    print('listens', flush=True)\n    for message"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        assert client.stdout.readline() == "listens\n"
        upsert_batch(engine, _batch(3, 4), "all")
        upsert_batch(engine, _batch(5, 9), "all")
        lines = [client.stdout.readline() for _ in range(2)]
        client.terminate()
    event_ids = [Position(ledger, 1, 0, 0).event_id for ledger in (3, 5)]
    assert [line[2 : line.index("',")] for line in lines] == event_ids
