"""Forget a stream: its coverage, and the rows that no other stream needs.

One chunk of ledgers after the other, oldest first, each in one transaction: rows go with their
coverage. So coverage says what is stored whenever this is interrupted, and the next call goes on.
What remembers the stream goes last. Invariant: no row goes that another stream's coverage
promises. For that, no writer works during a chunk's transaction: each one writes to the table
`ledgers` first. Readers go on.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select, text

from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, clip, ranges_text, subtract
from sorobanflow.store.archives import keep_from_dropping
from sorobanflow.store.coverage import end_stream
from sorobanflow.store.moving import move_rows
from sorobanflow.store.needed import Streams
from sorobanflow.store.removal import (
    count_rest,
    count_rows,
    remove_coverage,
    remove_rows,
    remove_stream,
)
from sorobanflow.store.tables import ledgers
from sorobanflow.store.tables.progress import coverage

#: Bounds of a chunk, for whose rows the writers wait.
MAX_LEDGERS, MAX_ROWS = 10_000, 20_000
#: A writer that hangs may keep its lock for minutes, and others would wait behind this one.
LOCK_WAIT = "30s"

Covered = tuple[LedgerRange, ...]


class Part(NamedTuple):
    """What goes with a chunk of ledgers, in rows by table; None: what is of no ledger."""

    ledgers: LedgerRange | None
    rows: Mapping[str, int]


def forget_stream(engine: Engine, name: str, max_rows: int = MAX_ROWS) -> Iterator[Part]:
    """Forget a stream; each part was committed when it is given.

    Raises:
        ConfigurationError: see `check_forgettable`; or a run has written to the stream meanwhile.
            What was given until then is gone.
    """
    check_forgettable(engine, name)
    left = end_stream(engine, name).covered
    while left:
        chunk = _next_chunk(engine, name, left, max_rows)
        move_rows(engine, chunk)
        with engine.begin() as connection:
            streams = _read_alone(connection, name, left)
            rows = remove_rows(connection, chunk, streams)
            remove_coverage(connection, chunk, streams.own)
        left = _without(left, chunk)
        yield Part(chunk, rows)
    with engine.begin() as connection:
        rows = remove_stream(connection, _read_alone(connection, name, left))
    yield Part(None, rows)


def survey_stream(engine: Engine, name: str, max_rows: int = MAX_ROWS) -> Iterator[Part]:
    """Count what `forget_stream` would remove, but for tokens; it changes and locks nothing.

    Raises:
        ConfigurationError: see `check_forgettable`.
    """
    streams = check_forgettable(engine, name)
    left = streams.own.covered
    while left:
        chunk = _next_chunk(engine, name, left, max_rows)
        move_rows(engine, chunk)
        with engine.begin() as connection:
            rows = count_rows(connection, chunk, streams)
        left = _without(left, chunk)
        yield Part(chunk, rows)
    if not streams.others:
        with engine.begin() as connection:
            rows = count_rest(connection)
        yield Part(None, rows)


def check_forgettable(engine: Engine, name: str) -> Streams:
    """Give the stream, and the others.

    Raises:
        ConfigurationError: there is no such stream; it is that of everything and not the only one;
            or the database's user may not remove it.
    """
    with engine.begin() as connection:
        streams = Streams.read(connection, name)
        may = connection.execute(select(func.has_table_privilege(coverage.fullname, "DELETE")))
        is_allowed = may.scalar_one()
    _refuse_before_others(streams)
    if not is_allowed:
        raise ConfigurationError(
            "the database's user may not delete from the table coverage; set SOROBANFLOW_OWNER_URL "
            "to an address with the tables' owner, as for `sorobanflow migrate`"
        )
    return streams


def _refuse_before_others(streams: Streams) -> None:
    if streams.own.filter_json is None and streams.others:
        raise ConfigurationError(
            f"stream {streams.own.name} cannot be forgotten before the others: it alone keeps the "
            "state of accounts and contracts true; forget these first: "
            + ", ".join(one.name for one in streams.others)
        )


def _read_alone(connection: Connection, name: str, left: Covered) -> Streams:
    """Wait for all writers, keep them out until the end of the transaction, and read the streams.

    Raises:
        ConfigurationError: the stream covers other ledgers than those that are left of it, or it is
            that of everything and another one was opened meanwhile.
    """
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
    connection.execute(text(f"LOCK TABLE {ledgers.fullname} IN SHARE ROW EXCLUSIVE MODE"))
    keep_from_dropping(connection)
    streams = Streams.read(connection, name)
    _refuse_before_others(streams)
    if streams.own.covered != left or streams.own.indexed_from is not None:
        new = [part for one in streams.own.covered for part in subtract(one, left)]
        raise ConfigurationError(
            f"a run of stream {name} is at work (new ledgers: {ranges_text(new)}); end it, and "
            "forget the stream again"
        )
    return streams


def _next_chunk(engine: Engine, name: str, left: Covered, max_rows: int) -> LedgerRange:
    """Choose the oldest ledgers that are left: those of which no row goes, or few with few rows."""
    with engine.begin() as connection:
        whole = clip(Streams.read(connection, name).whole, left[0])
        first, last = left[0]
        if whole and whole[0].first == first:
            return whole[0]
        last = min(whole[0].first - 1 if whole else last, first + MAX_LEDGERS - 1)
        number, rows = ledgers.c.sequence, ledgers.c.transaction_count + ledgers.c.event_count
        up_to = func.sum(rows).over(order_by=number).label("rows")
        summed = select(number, up_to).where(number.between(first, last)).subquery()
        too_many = select(func.min(summed.c.sequence)).where(summed.c.rows > max_rows)
        end = connection.execute(too_many).scalar()
    return LedgerRange(first, last if end is None else max(first, end - 1))


def _without(covered: Covered, chunk: LedgerRange) -> Covered:
    return tuple(part for one in covered for part in subtract(one, [chunk]))
