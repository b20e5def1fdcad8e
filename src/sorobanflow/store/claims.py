"""Which state rows claim that given ledgers changed them last, for what compares and replaces.

State tables have no index by ledger: every write would pay for it. So one scan of each table
reads the keys for many ledgers at once; whoever works on them finds the rows by key.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, Table, literal, or_, select
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange

from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.tables import STATE_TABLES, VERSION_GROUPS

#: Ledgers whose claims are held at a time: on a busy network, some 400 keys each.
MAX_LEDGERS = 500

Key = tuple[Any, ...]


# Not a dataclass: Prefect walks through those that are passed to a task.
class Claims:
    """Keys of state rows, by table and by the ledger of a change that they claim."""

    def __init__(self) -> None:
        self._keys = defaultdict[str, defaultdict[int, list[Key]]](lambda: defaultdict(list))

    def keys(self, table: Table, ledgers: LedgerRange) -> list[Key]:
        """Return the keys of the rows that claim a change in these ledgers."""
        by_ledger = self._keys[table.name]
        claimed = (keys for ledger, keys in by_ledger.items() if ledgers.holds(ledger))
        return sorted({key for keys in claimed for key in keys})

    def read(self, connection: Connection, table: Table, ledgers: MultiRange[int]) -> None:
        """Read the claims of a table's rows; each group of columns has a change of its own."""
        found = self._keys[table.name]
        dates = [table.c[group.order[0]] for group in VERSION_GROUPS[table]]
        wanted = literal(ledgers, INT4MULTIRANGE)
        query = select(*table.primary_key, *dates).where(
            or_(*(date.op("<@")(wanted) for date in dates))
        )
        width = len(table.primary_key)
        for row in connection.execute(query):  # with a cursor, the scan would not be parallel
            for ledger in {*row[width:]} - {None}:
                found[ledger].append(tuple(row[:width]))


def read_claims(engine: Engine, ledgers: Iterable[LedgerRange]) -> Claims:
    """Read the claims on these ledgers."""
    with engine.begin() as connection:
        return claims_on(connection, ledgers)


def claims_on(connection: Connection, ledgers: Iterable[LedgerRange]) -> Claims:
    """Read the claims on these ledgers, in the caller's transaction."""
    claims = Claims()
    wanted = MultiRange(Range(part.first, part.last, bounds="[]") for part in ledgers)
    for table in STATE_TABLES:
        claims.read(connection, table, wanted)
    return claims
