"""Read the status of everything: the node, the database, and each stream between the two.

A status is for bad days: what cannot be read becomes a problem in it, never an
exception. Leaves to `health` what else is a problem, and to the caller how
long node and database may take to answer: the client's and the engine's limits.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sorobanflow.audit.stored import seconds_per_ledger
from sorobanflow.errors import NodeBehindError, SorobanflowError
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.wire import Event, Items
from sorobanflow.status import database as db
from sorobanflow.status.health import Limits, judged
from sorobanflow.status.model import (
    SHOWN_STREAMS,
    Database,
    Node,
    Problem,
    Quarantine,
    Status,
    Stream,
    network_name,
)
from sorobanflow.status.streams import make_stream
from sorobanflow.store import schema
from sorobanflow.store.coverage import read_coverage

T = TypeVar("T")

_FAILURES = (SorobanflowError, psycopg.Error, SQLAlchemyError)
_events = Items(Event)


def read_status(
    engine: Engine | SorobanflowError,
    client: RpcClient,
    *,
    now: datetime | None = None,
    limits: Limits | None = None,
) -> Status:
    """Read how everything is now.

    Args:
        engine: The database's; or why there is none, for a database that is away.
        client: The node's; its retries decide how long a node that is away takes.
        now: Stands in for the clock; aware.
        limits: What is too much.

    Returns:
        The status; it raises nothing that node or database do.
    """
    problems: list[Problem] = []
    node = _attempt("node", "the node", problems, lambda: _read_node(client, problems), None)
    database = None
    if isinstance(engine, SorobanflowError):
        problems.append(Problem("database", f"the database: {engine}"))
    else:
        with db.bounded(engine) as limited:
            database = _read_database(limited, node, problems)
    status = Status(
        now or datetime.now(UTC),
        schema.newest_revision(),
        client.endpoint,
        node,
        database,
        problems=tuple(problems),
    )
    return judged(status, limits or Limits())


def _attempt(
    kind: str, what: str, problems: list[Problem], read: Callable[[], T], otherwise: T
) -> T:
    try:
        return read()
    except _FAILURES as error:
        problems.append(Problem(kind, f"{what}: {_words(error)}"))
        return otherwise


def _words(error: Exception) -> str:
    """Say what failed in one line, without SQLAlchemy's statement and parameters."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return str(error.orig).partition("\n")[0]
    return " ".join(str(error).split())


def _read_node(client: RpcClient, problems: list[Problem]) -> Node:
    health = client.get_health()
    passphrase = client.get_network().passphrase
    oldest, latest = health.oldest_ledger, health.latest_ledger
    closed_at = _unix_time(health.latest_ledger_close_time)
    if closed_at is None:
        closed_at = _attempt(
            "node", "the tip's events", problems, lambda: _closed_at(client, latest), None
        )
    return Node(passphrase, network_name(passphrase), oldest, latest, closed_at)


def _unix_time(said: str | int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(said or 0), UTC) if said else None
    except (ValueError, OverflowError, OSError):
        return None


def _closed_at(client: RpcClient, ledger: int) -> datetime | None:
    """Read when a ledger closed from one of its events, for nodes whose getHealth does not say."""
    try:
        page = client.get_events(ledger, ledger + 1, limit=1)
    except NodeBehindError:  # another replica behind a load balancer
        return None
    times = [
        item.ledger_closed_at for item in _events.decode(page.events) if isinstance(item, Event)
    ]
    return _iso_time(times[0]) if times else None


def _iso_time(said: str) -> datetime | None:
    try:
        return datetime.fromisoformat(said).astimezone(UTC)
    except ValueError:
        return None


def _read_database(engine: Engine, node: Node | None, problems: list[Problem]) -> Database | None:
    before = len(problems)
    revision = _attempt(
        "database", "the database", problems, lambda: db.read_revision(engine), None
    )
    if len(problems) > before:
        return None  # nobody answers: the other parts would only wait as long

    def part(what: str, read: Callable[[], T], otherwise: T) -> T:
        return _attempt("database", what, problems, read, otherwise)

    name, size = part("the database's size", lambda: db.read_name(engine), db.Name(None, None))
    if revision is None:
        return Database(name, size)
    passphrase = part("the table network", lambda: db.read_passphrase(engine), None)
    pace = part("the table ledgers", lambda: seconds_per_ledger(engine), None)
    if node and passphrase not in (None, node.passphrase):
        node = None  # of another network: its ledgers are not these
    rows: list[db.StreamRow] = part("the table coverage", lambda: db.read_streams(engine), [])
    return Database(
        name,
        size,
        revision,
        passphrase,
        part("rows per table", lambda: db.read_tables(engine), ()),
        pace,
        part("coverage and gaps", lambda: _streams(engine, rows, node, pace), ()),
        len(rows) > SHOWN_STREAMS,
        part("the table quarantine", lambda: db.read_quarantine(engine), Quarantine()),
    )


def _streams(
    engine: Engine, rows: list[db.StreamRow], node: Node | None, pace: float | None
) -> tuple[Stream, ...]:
    return tuple(
        make_stream(
            row, read_coverage(engine, row.name), db.read_gaps(engine, row.name), node, pace
        )
        for row in rows[:SHOWN_STREAMS]
    )
