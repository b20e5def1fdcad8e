"""Which partitions are closed, archived and old: what the flow archive has to do.

A partition is closed if its last ledger is below the newest covered one, and each of its ledgers
is covered or a recorded gap of some stream. Ledgers before all that any stream holds do not count.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Engine, text

from sorobanflow.ledgers import LAST_LEDGER, LedgerRange, clip, merge, subtract
from sorobanflow.store.archives import read_archives, read_dropped
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.partitions import Partition, list_partitions
from sorobanflow.store.tables import PARTITIONED

#: The tables that are archived, by name.
TABLES = tuple(table.name for table in PARTITIONED)


class Work(NamedTuple):
    """The partitions, ascending, and what became of them."""

    closed: list[Partition]
    unarchived: list[LedgerRange]  # of the closed ones, those of which a table has no compared file
    waiting: list[LedgerRange]  # below the newest ledger and missing, so a partition is not closed
    dropped: list[Partition]  # recorded as dropped, but a run was killed before it did so
    newest: int  # the newest covered ledger; 0: none

    def expired(self, keep_ledgers: int) -> list[Partition]:
        """Give the partitions to drop: closed ones that end before the ledgers that are kept."""
        old = [one for one in self.closed if one.last <= self.newest - keep_ledgers]
        return [*self.dropped, *old]


def find_work(engine: Engine) -> Work:
    """Read the partitions and their state."""
    accounted, newest = _accounted(engine)
    with engine.begin() as connection:
        partitions, dropped = list_partitions(connection), read_dropped(connection)
        archived = {(one.table, one.ledgers) for one in read_archives(connection)}
    live = [one for one in partitions if not clip(dropped, ledgers_of(one))]
    past = [one for one in live if one.last < newest]
    missing = {one.first: _missing(one, accounted) for one in past}
    closed = [one for one in past if not missing[one.first]]
    ranges = map(ledgers_of, closed)
    return Work(
        closed,
        [one for one in ranges if any((name, one) not in archived for name in TABLES)],
        [part for parts in missing.values() for part in parts],
        [one for one in partitions if one not in live],
        newest,
    )


def _accounted(engine: Engine) -> tuple[list[LedgerRange], int]:
    """Read the ledgers that any stream covers or has a gap for, and the newest covered one."""
    with engine.begin() as connection:
        streams = connection.execute(text("SELECT stream FROM coverage")).scalars().all()
    held = [read_coverage(engine, stream) for stream in streams]
    accounted = merge(part for one in held for part in one.accounted)
    return accounted, max((one.newest or 0 for one in held), default=0)


def _missing(partition: Partition, accounted: Sequence[LedgerRange]) -> list[LedgerRange]:
    held = clip([ledgers_of(partition)], LedgerRange(accounted[0].first, LAST_LEDGER))
    return [part for one in held for part in subtract(one, accounted)]


def ledgers_of(partition: Partition) -> LedgerRange:
    """Give a partition's ledgers."""
    return LedgerRange(partition.first, partition.last)
