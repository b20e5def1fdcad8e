"""Partitions of the tables of what happened, by ranges of ledgers.

All tables of `PARTITIONED` have the same ranges. Every writer calls `ensure_partitions` before the
transaction of a batch: then there is a place for each row, and no row of these ledgers is left in
tables of an older release. Readers and writers wait for neither making nor dropping: tables are
made apart and attached, and are detached before they go.
"""

from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.known_partitions import known_partitions
from sorobanflow.store.tables import PARTITIONED

#: A week at a ledger every five seconds; the default of `network.partition_ledgers`.
PARTITION_LEDGERS = 120_960
#: Also in the function stored.make_partitions.
_LOCK = 84610834
_LIST = text("""
SELECT low, high - 1, CAST(sum(pg_total_relation_size(partition)) AS bigint),
    CAST(sum(greatest(reltuples, 0)) AS bigint)
FROM stored.partitions JOIN pg_class ON pg_class.oid = partition GROUP BY 1, 2 ORDER BY 1
""")
_RANGES = text(
    "SELECT low, high - 1 FROM stored.partitions GROUP BY 1, 2 HAVING count(*) = :tables ORDER BY 1"
)
_MAKE = text("SELECT stored.make_partitions(:first, :last)")
_SET = text("UPDATE network SET partition_ledgers = :ledgers WHERE partition_ledgers <> :ledgers")
_STATE = text("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(:name)")


class Partition(NamedTuple):
    """The tables of a range of ledgers, over all that are partitioned."""

    first: int
    last: int
    size_bytes: int  # with indexes
    rows: int  # estimated; 0 before the first ANALYZE


def ensure_partitions(engine: Engine, ledgers: LedgerRange) -> None:
    """Make what these ledgers need, and one partition ahead.

    Not in a transaction that wrote rows: it takes one of its own.
    """
    known = known_partitions(engine)
    if known.suffice(ledgers):
        return
    with engine.begin() as connection:
        known.ledgers = _read_ranges(connection)
        if not known.suffice(ledgers):
            connection.execute(_MAKE, ledgers._asdict())
            known.ledgers = _read_ranges(connection)


def _read_ranges(connection: Connection) -> list[LedgerRange]:
    """Read the ranges for which all tables have a partition, ascending."""
    return [LedgerRange(*row) for row in connection.execute(_RANGES, {"tables": len(PARTITIONED)})]


def set_partition_ledgers(engine: Engine, ledgers: int) -> None:
    """Set how many ledgers partitions have that are made from now on."""
    with engine.begin() as connection:
        connection.execute(_SET, {"ledgers": ledgers})


def list_partitions(connection: Connection) -> list[Partition]:
    """List the partitions, ascending."""
    return [Partition(*row) for row in connection.execute(_LIST)]


def drop_partition(engine: Engine, partition: Partition) -> None:
    """Drop a partition with its rows; one that is gone, or half gone, does no harm.

    Needs the tables' owner. Waits for transactions that read the tables, which need not wait.
    The first table of `PARTITIONED` goes last: while it is there the partition is listed.
    """
    known_partitions(engine).forget()
    for table in reversed(PARTITIONED):
        name = f"{table.fullname}_{partition.first:010}"
        with engine.connect() as connection:
            _detach(connection, table.fullname, name)
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if _is_pending(connection, name) is None:  # else made again meanwhile
                connection.execute(text(f"DROP TABLE IF EXISTS {name}"))


def _detach(connection: Connection, table: str, name: str) -> None:
    """Detach a partition if it is attached; a detachment that was killed is finished."""
    with connection.begin():
        pending = _is_pending(connection, name)
    if pending is not None:
        how = "FINALIZE" if pending else "CONCURRENTLY"
        # Outside of a transaction, as CONCURRENTLY requires.
        driver_connection(connection).execute(
            f"ALTER TABLE {table} DETACH PARTITION {name} {how}".encode()
        )


def _is_pending(connection: Connection, name: str) -> bool | None:
    """Whether a partition's detachment began; None: it is not attached."""
    pending = connection.execute(_STATE, {"name": name}).scalar()
    return None if pending is None else bool(pending)
