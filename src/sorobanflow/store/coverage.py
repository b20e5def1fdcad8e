"""Coverage: which ledgers a stream holds whole, and which are known to be missing.

The only memory of progress: it grows only in the transaction that stores the ledgers' rows. What
is left to index follows from it alone: `requested - covered - gaps`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

import psycopg
from sqlalchemy import Engine, text

from sorobanflow.errors import ConfigurationError, SchemaError, WrongNetworkError
from sorobanflow.ledgers import LedgerRange, clip, count_ledgers, merge, ranges_text, subtract
from sorobanflow.store.archives import read_dropped


class Stream(NamedTuple):
    """What is indexed: everything, or what a filter in canonical JSON selects."""

    name: str = "all"
    filter_json: str | None = None

    @classmethod
    def of_filter(cls, filter_json: str | None) -> Self:
        """Return the stream of a filter, named by its digest; None: of everything."""
        if filter_json is None:
            return cls()
        return cls(f"filter-{hashlib.sha256(filter_json.encode()).hexdigest()[:12]}", filter_json)


@dataclass(frozen=True)
class Coverage:
    """What a stream holds and lacks; its ranges are ascending and disjoint."""

    covered: tuple[LedgerRange, ...] = ()  # stored whole
    gaps: tuple[LedgerRange, ...] = ()  # recorded as missing for good
    indexed_from: int | None = None  # first ledger that live indexing promises, if it ever ran
    dropped: tuple[LedgerRange, ...] = ()  # of any stream: their rows are no longer in the tables

    @property
    def count(self) -> int:
        """Number of covered ledgers."""
        return count_ledgers(self.covered)

    @property
    def newest(self) -> int | None:
        """The newest covered ledger; None: nothing is covered."""
        return self.covered[-1].last if self.covered else None

    @property
    def accounted(self) -> list[LedgerRange]:
        """Ledgers that need no work: covered, or recorded as a gap."""
        return merge((*self.covered, *self.gaps))

    @property
    def in_tables(self) -> list[LedgerRange]:
        """The covered ledgers whose rows are in the tables; ascending."""
        return [part for one in self.covered for part in subtract(one, self.dropped)]

    def gaps_in(self, ledgers: LedgerRange) -> list[LedgerRange]:
        """The recorded gaps of a range that can be filled: neither covered nor dropped."""
        filled = (*self.covered, *self.dropped)
        return [part for gap in clip(self.gaps, ledgers) for part in subtract(gap, filled)]

    def __str__(self) -> str:
        return ranges_text(self.covered)


def read_coverage(engine: Engine, stream: str) -> Coverage:
    """Read what the stream holds; an unknown stream holds nothing."""
    with engine.begin() as connection:
        row = connection.execute(
            text("SELECT ledgers, indexed_from FROM coverage WHERE stream = :stream"),
            {"stream": stream},
        ).one_or_none()
        gaps = connection.execute(
            text("SELECT first_ledger, last_ledger FROM gaps WHERE stream = :stream ORDER BY 1"),
            {"stream": stream},
        ).all()
        dropped = read_dropped(connection)
    covered, indexed_from = row or ((), None)
    return Coverage(
        tuple(LedgerRange(part.lower, part.upper - 1) for part in covered),
        tuple(merge(LedgerRange(*gap) for gap in gaps)),
        indexed_from,
        dropped,
    )


class Advance(NamedTuple):
    """When a stream's newest ledger was stored, and how long ago, by the database's clock."""

    at: datetime
    age_s: float


def last_advance(engine: Engine, stream: str) -> Advance:
    """Read when an open stream last stored a ledger newer than all others."""
    with engine.begin() as connection:
        row = connection.execute(
            text(
                "SELECT advanced_at, CAST(extract(epoch FROM now() - advanced_at) AS float8) "
                "FROM coverage WHERE stream = :stream"
            ),
            {"stream": stream},
        ).one()
    return Advance(*row)


def add_coverage(
    connection: "psycopg.Connection[Any]", stream: str, ledgers: LedgerRange
) -> "psycopg.Cursor[Any]":
    """Mark ledgers as stored whole, and remove them from the gaps; the lock orders writers.

    The transaction passes the cursor to `refuse_unopened` once the statements are done.
    """
    values = {"stream": stream, "first": ledgers.first, "last": ledgers.last}
    covered = connection.execute(
        "UPDATE coverage "
        "SET ledgers = ledgers + int4multirange(int4range(%(first)s, %(last)s, '[]')), "
        "unknown_executables = unknown_executables "
        "- int4multirange(int4range(%(first)s, %(last)s, '[]')), "
        "advanced_at = CASE WHEN upper(ledgers) > %(last)s THEN advanced_at ELSE now() END "
        "WHERE stream = %(stream)s",
        values,
    )
    connection.execute(
        "WITH hit AS (DELETE FROM gaps WHERE stream = %(stream)s "
        "AND first_ledger <= %(last)s AND last_ledger >= %(first)s RETURNING *) "
        "INSERT INTO gaps (stream, first_ledger, last_ledger, reason, first_seen) "
        "SELECT stream, lower(part), upper(part) - 1, reason, first_seen FROM hit, "
        "unnest(int4multirange(int4range(first_ledger, last_ledger, '[]')) "
        "- int4multirange(int4range(%(first)s, %(last)s, '[]'))) AS part",
        values,
    )
    return covered


def refuse_unopened(covered: "psycopg.Cursor[Any]", stream: str) -> None:
    """Raise SchemaError if `add_coverage` did not find the stream's row."""
    if covered.rowcount != 1:
        raise SchemaError(f"coverage has no stream {stream!r}; it must be opened before writing")


def open_stream(engine: Engine, stream: Stream, indexed_from: int | None = None) -> None:
    """Create the stream's row; the first ledger that live indexing promises only moves back."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO coverage AS c (stream, filter, indexed_from) "
                "VALUES (:stream, CAST(:filter AS jsonb), :ledger) "
                "ON CONFLICT (stream) DO UPDATE SET indexed_from = excluded.indexed_from "
                "WHERE c.indexed_from IS NULL OR c.indexed_from > excluded.indexed_from"
            ),
            {"stream": stream.name, "filter": stream.filter_json, "ledger": indexed_from},
        )


def end_stream(engine: Engine, stream: str) -> Coverage:
    """Promise no further ledgers of a stream; gives what it holds, which stays.

    Raises:
        ConfigurationError: there is no such stream; the message names those that there are.
    """
    with engine.begin() as connection:
        ended = connection.execute(
            text("UPDATE coverage SET indexed_from = NULL WHERE stream = :stream"),
            {"stream": stream},
        )
        known = connection.execute(text("SELECT stream FROM coverage ORDER BY 1")).scalars().all()
    if not ended.rowcount:
        names = ", ".join(known) or "none"
        raise ConfigurationError(f"there is no stream {stream!r}; there are: {names}")
    return read_coverage(engine, stream)


def record_gap(engine: Engine, stream: str, ledgers: LedgerRange, reason: str) -> list[LedgerRange]:
    """Record that the node no longer has these ledgers; returns those that were not known."""
    values = {"stream": stream, "first": ledgers.first, "last": ledgers.last, "reason": reason}
    with engine.begin() as connection:
        # The lock keeps a concurrent writer from covering them meanwhile.
        connection.execute(
            text("SELECT FROM coverage WHERE stream = :stream FOR UPDATE"), {"stream": stream}
        )
        written = connection.execute(
            text(
                "WITH known AS (SELECT range_agg(int4range(first_ledger, last_ledger, '[]')) "
                "AS ledgers FROM gaps WHERE stream = :stream) "
                "INSERT INTO gaps (stream, first_ledger, last_ledger, reason) "
                "SELECT :stream, lower(part), upper(part) - 1, :reason FROM coverage, known, "
                "unnest(int4multirange(int4range(:first, :last, '[]')) "
                "- coverage.ledgers - coalesce(known.ledgers, '{}')) AS part "
                "WHERE stream = :stream RETURNING first_ledger, last_ledger"
            ),
            values,
        ).all()
    return merge(LedgerRange(*row) for row in written)


def pin_network(engine: Engine, passphrase: str) -> None:
    """Store the network at first use; later, raise WrongNetworkError if it is another."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO network (passphrase) VALUES (:passphrase) ON CONFLICT DO NOTHING"),
            {"passphrase": passphrase},
        )
        pinned = connection.execute(text("SELECT passphrase FROM network")).scalar_one()
    if pinned != passphrase:
        raise WrongNetworkError(pinned, passphrase)
