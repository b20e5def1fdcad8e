"""Decide which rows of a stream's ledgers no other stream needs.

The stream of everything needs all rows of its ledgers; a filtered one the events that match its
filter, and what follows from them. Of dropped ledgers nothing more goes. Invariant: what cannot be
decided from the rows is needed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    cast,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange

from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ledgers import LedgerRange, clip, merge, single_ledgers
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.archives import read_dropped
from sorobanflow.store.selected import matches
from sorobanflow.store.tables import events, quarantine, token_operations, transactions
from sorobanflow.store.tables.progress import coverage


class StoredStream(NamedTuple):
    """A stream as `coverage` has it."""

    name: str
    covered: tuple[LedgerRange, ...]  # ascending and disjoint
    indexed_from: int | None
    filter_json: str | None  # None: it is the stream of everything

    def selected(self) -> ColumnElement[bool] | None:
        """Give its filter as a condition on `events`; None: it may need every row."""
        if self.filter_json is None:
            return None
        try:
            return matches(EventFilter.of_json(self.filter_json))
        except SorobanflowError:
            return None


class Streams(NamedTuple):
    """A stream, and the other ones of its database, by name."""

    own: StoredStream
    others: tuple[StoredStream, ...]
    dropped: tuple[LedgerRange, ...]  # ledgers whose rows are in files of the archive, if anywhere

    @classmethod
    def read(cls, connection: Connection, name: str) -> Self:
        """Read them; ConfigurationError if there is no such stream."""
        columns = coverage.c
        query = select(
            columns.stream, columns.ledgers, columns.indexed_from, cast(columns["filter"], Text)
        ).order_by(columns.stream)
        streams = {
            row[0]: StoredStream(row[0], _ranges(row[1]), *row[2:])
            for row in connection.execute(query).tuples()
        }
        if name not in streams:
            names = ", ".join(streams) or "none"
            raise ConfigurationError(f"there is no stream {name!r}; there are: {names}")
        return cls(streams.pop(name), tuple(streams.values()), read_dropped(connection))

    @property
    def whole(self) -> list[LedgerRange]:
        """The ledgers of which other streams may need every row, and those that were dropped."""
        needing = [one for one in self.others if one.selected() is None]
        return merge((*self.dropped, *(part for one in needing for part in one.covered)))


def _ranges(parts: Iterable[Range[int]]) -> tuple[LedgerRange, ...]:
    return tuple(LedgerRange(one.lower or 0, (one.upper or 0) - 1) for one in parts)


def multirange(ranges: Iterable[LedgerRange]) -> ColumnElement[Sequence[Range[int]]]:
    """Give ranges of ledgers as a value of the database."""
    parts = MultiRange(Range(one.first, one.last, bounds="[]") for one in ranges)
    return literal(parts, INT4MULTIRANGE)


def _in(ledger: ColumnElement[int], ranges: Iterable[LedgerRange]) -> ColumnElement[bool]:
    return ledger.bool_op("<@")(multirange(ranges))


class Needed:
    """What the other streams need of a range of the stream's ledgers."""

    def __init__(self, connection: Connection, ledgers: LedgerRange, streams: Streams) -> None:
        self._ledgers = ledgers
        covered = merge(part for one in streams.others for part in clip(one.covered, ledgers))
        # Whether a filter selects an item that could not be decoded is not known.
        in_doubt = select(quarantine.c.ledger).where(_in(quarantine.c.ledger, covered))
        doubtful = single_ledgers(connection.execute(in_doubt).scalars())
        self._whole = merge((*clip(streams.whole, ledgers), *doubtful))
        self._selected = [
            and_(_in(events.c.ledger, parts), selected)
            for one in streams.others
            if (parts := clip(one.covered, ledgers)) and (selected := one.selected()) is not None
        ]

    @property
    def everything(self) -> bool:
        """Whether no row can go."""
        return self._whole == [self._ledgers]

    def may_lose(self, ledger: ColumnElement[int]) -> ColumnElement[bool]:
        """Give the condition that rows of a ledger may go."""
        return and_(ledger.between(*self._ledgers), ~_in(ledger, self._whole))

    def surplus(self, table: Table) -> ColumnElement[bool]:
        """Give the condition on a table of what happened that no other stream needs a row."""
        within = self.may_lose(table.c.ledger)
        if not self._selected:
            return within
        selected = or_(*self._selected)
        if table is events:
            # It is null, and no match, where an event has no contract.
            return and_(within, selected.is_not(True))
        keys, of_event = _followed(table)
        named = select(*of_event).where(events.c.ledger.between(*self._ledgers), selected)
        # Not EXISTS: that may become a nested loop, since nobody can estimate a filter.
        return and_(within, tuple_(*keys).not_in(named))


def _followed(table: Table) -> tuple[Iterable[Column[Any]], Iterable[Column[Any]]]:
    """Give what in a row names the event that it follows from, or its transaction."""
    if table is token_operations:
        return table.primary_key, events.primary_key
    return [table.c["hash" if table is transactions else "tx_hash"]], [events.c.tx_hash]
