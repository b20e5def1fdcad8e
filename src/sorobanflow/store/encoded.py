"""The rows of a batch as PostgreSQL takes them: what decode processes return, and what waits.

Invariant: made of the same rows, it is the same, whichever process makes it. See `fields` for
what it may import.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import NamedTuple

from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.headers import HeaderRow
from sorobanflow.rows.state_rows import TokenRow
from sorobanflow.store.fields import (
    Arrays,
    Columns,
    Row,
    copied_arrays,
    copied_fields,
    data_of,
    to_arrays,
    to_copy,
)
from sorobanflow.toid import Position

#: Rows per statement that merges; a row may have some 100 KiB, and the server holds a statement
#: in memory.
MAX_ROWS = 1000

_NO_HEADER = tuple(False if name == "proved" else None for name in HeaderRow._fields)


class Layout(NamedTuple):
    """A table: the types of its columns, in order, and the names of those of its key."""

    columns: Columns
    key: tuple[str, ...]


class Layouts(NamedTuple):
    """Those of what a batch writes, by table: rows that may be copied, and state."""

    ledgers: Layout
    copied: Mapping[str, Layout]
    state: Mapping[str, Layout]


# Not a dataclass: Prefect walks through those that are passed to a task.
class EncodedBatch:
    """The rows of a range of whole ledgers: history in chain order, state by key.

    Attributes:
        counts: Numbers of rows by table.
        copied: The rows of history for COPY, by table.
        ledger_rows: The rows of `ledgers` by column, in ascending order.
        tokens: Those of `tokens` by column.
        seen: The keys of tables that have nothing else of a batch, an array by table.

    Raises:
        DecodeError: a number is out of range for its column.
    """

    def __init__(self, rows: BatchRows, layouts: Layouts) -> None:
        self.ledgers, self.is_whole = rows.ledgers, rows.is_whole
        self.closed_at, self.headers = rows.closed_at, rows.headers
        self.quarantine = rows.quarantine
        self.counts, by_table = rows.counts(), rows.by_table()
        self.tokens = to_arrays(dict.fromkeys(TokenRow._fields, "text"), rows.tokens)
        self.seen = {
            table: to_arrays({"key": "text"}, by_table[table])["key"]
            for table in ("contracts", "contract_specs")
        }
        self.ledger_rows = to_arrays(layouts.ledgers.columns, ledger_rows(rows))
        self._layouts = layouts.copied
        self.copied = {
            table: to_copy(layout.columns, by_table[table])
            for table, layout in layouts.copied.items()
        }
        self._state = {
            table: in_parts(layout, by_table[table]) for table, layout in layouts.state.items()
        }

    def arrays(self, table: str) -> list[Arrays]:
        """Give the rows of a table by column, at most MAX_ROWS in each part."""
        if table in self._state:
            return self._state[table]
        return copied_arrays(self._layouts[table].columns, self.copied[table], MAX_ROWS)

    def event_ids(self) -> set[str]:
        """List the ids of the events."""
        fields = self._fields("events")
        columns = (fields[name] for name in self._layouts["events"].key)
        places = zip(*(map(_integer, column) for column in columns), strict=True)
        return {Position(*place).event_id for place in places}

    def transaction_hashes(self) -> set[str]:
        """List the hashes of the transactions, in hex."""
        return {data_of(field).hex() for field in self._fields("transactions")["hash"]}

    def _fields(self, table: str) -> dict[str, list[bytes]]:
        return copied_fields(self._layouts[table].columns, self.copied[table])


def ledger_rows(rows: BatchRows) -> list[Row]:
    """Make the rows of `ledgers`, with the numbers of a batch's transactions and events."""
    transactions = Counter(row.ledger for row in rows.transactions)
    events = Counter(row.ledger for row in rows.events)
    return [
        (
            *(ledger, closed_at, transactions[ledger], events[ledger]),
            *rows.headers.get(ledger, _NO_HEADER),
        )
        for ledger, closed_at in sorted(rows.closed_at.items())
    ]


def in_parts(layout: Layout, rows: Iterable[Row]) -> list[Arrays]:
    """Encode rows ordered by key, as all writers merge them: else they could deadlock."""
    names = [*layout.columns]
    ordered = sorted(rows, key=itemgetter(*map(names.index, layout.key)))
    starts = range(0, len(ordered), MAX_ROWS)
    return [to_arrays(layout.columns, ordered[start : start + MAX_ROWS]) for start in starts]


def _integer(field: bytes) -> int:
    return int.from_bytes(data_of(field), signed=True)
