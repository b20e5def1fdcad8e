"""Read the status of everything: the node, the database, and each stream between them.

Invariant: what cannot be read becomes a problem of the status, never an exception.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sorobanflow.errors import NodeBehindError, SorobanflowError
from sorobanflow.pipeline.retention import seconds_per_ledger
from sorobanflow.sources.items import Event
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status import database as db
from sorobanflow.status.health import Limits, judged
from sorobanflow.status.model import (
    Archive,
    Database,
    Node,
    Problem,
    Quarantine,
    Status,
    Stream,
    network_name,
)
from sorobanflow.status.streams import compared
from sorobanflow.store import schema
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.moving import estimate_unmoved

T = TypeVar("T")

_FAILURES = (SorobanflowError, psycopg.Error, SQLAlchemyError)


def read_status(
    engine: Engine | SorobanflowError,
    client: RpcClient,
    *,
    now: datetime | None = None,
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> Status:
    """Read the state of everything now; no failure of node or database is raised.

    `engine` may be the reason why the database cannot be opened; the client's retries decide how
    long an unreachable node takes; `now`, timezone-aware, stands in for the clock.
    """
    reader = _Reader()
    node = reader.part("node", "the node", lambda: reader.node(client))
    database = None
    if isinstance(engine, SorobanflowError):
        reader.problems.append(Problem("database", f"the database: {engine}"))
    else:
        database = reader.database(db.bounded(engine), node)
    status = Status(
        now or datetime.now(UTC),
        schema.newest_revision(),
        client.endpoint,
        node,
        database,
        problems=tuple(reader.problems),
    )
    return judged(status, limits)


class _Reader:
    """Reads part after part; one that fails gives None and leaves a problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def part(self, kind: str, what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except _FAILURES as error:
            self.problems.append(Problem(kind, f"{what}: {_reason(error)}"))
            return None

    def node(self, client: RpcClient) -> Node:
        health = client.get_health()
        passphrase = client.get_network().passphrase
        latest = health.latest_ledger
        closed_at = _from_unix(health.latest_ledger_close_time) or self.part(
            "node", "the tip's events", lambda: _close_time(client, latest)
        )
        return Node(passphrase, network_name(passphrase), health.oldest_ledger, latest, closed_at)

    def database(self, engine: Engine, node: Node | None) -> Database | None:
        def part(what: str, read: Callable[[Engine], T]) -> T | None:
            return self.part("database", what, lambda: read(engine))

        before = len(self.problems)
        revision = part("the database", db.read_revision)
        if len(self.problems) > before:
            return None  # not reached: every other part would wait just as long
        name, size_bytes = part("the database's size", db.read_size) or (None, None)
        if revision is None:
            return Database(name, size_bytes)
        passphrase = part("the table network", db.read_passphrase)
        database_id = part("the table network", db.read_id)
        pace = part("the table ledgers", seconds_per_ledger)
        rows = part("rows per table", db.read_row_counts) or {}
        same_network = node is None or passphrase in (None, node.passphrase)
        peer = node if same_network else None
        streams = part("coverage and gaps", lambda engine: _streams(engine, peer, pace)) or ()
        quarantine = part("the table quarantine", db.read_quarantine) or Quarantine()
        archive = part("the table archives", db.read_archive) or Archive()
        unmoved = part("rows of an older release", estimate_unmoved)
        return Database(
            name,
            size_bytes,
            revision,
            passphrase,
            rows,
            pace,
            streams,
            quarantine,
            archive,
            unmoved,
            database_id,
        )


def _streams(engine: Engine, node: Node | None, pace: float | None) -> tuple[Stream, ...]:
    return tuple(
        replace(
            compared(stream, read_coverage(engine, stream.name), node, pace),
            newest_gaps=db.read_gaps(engine, stream.name),
        )
        for stream in db.read_streams(engine)
    )


def _reason(error: Exception) -> str:
    """Say what failed in one line, without SQLAlchemy's statement and parameters."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return str(error.orig).partition("\n")[0]
    return " ".join(str(error).split())


def _from_unix(text: str | int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC) if text else None
    except (ValueError, OverflowError, OSError):
        return None


def _close_time(client: RpcClient, ledger: int) -> datetime | None:
    """Take a ledger's close time from one of its events, for nodes whose getHealth lacks it."""
    try:
        page = client.get_events(ledger, ledger + 1, limit=1)
    except NodeBehindError:  # another replica behind a load balancer
        return None
    with suppress(ValueError):
        for item in page.items or ():
            if isinstance(item, Event):
                return datetime.fromisoformat(item.ledger_closed_at).astimezone(UTC)
    return None
