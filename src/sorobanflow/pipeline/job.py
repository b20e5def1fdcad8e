"""What a decode process does: it makes a batch's rows, and encodes them.

Invariant: what this imports, each process imports; so it is neither SQLAlchemy nor psycopg.
"""

import gc
import signal
from typing import NamedTuple

from sorobanflow.ledgers import Anchor, LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.mass_failure import refuse_mass_failure
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, LedgerObject, Malformed, Transaction
from sorobanflow.store.encoded import EncodedBatch, Layouts


class Job(NamedTuple):
    """What a process needs to make a batch's rows."""

    ledgers: LedgerRange
    events: list[Event | Malformed]
    transactions: list[Transaction | Malformed]
    objects: list[LedgerObject]
    layouts: Layouts
    passphrase: str
    event_filter: EventFilter | None
    anchor: Anchor | None
    with_calls: bool

    def make(self) -> EncodedBatch:
        """Make them; errors as in `encoded` and `RowMaker.finish`."""
        rows = make_rows(
            self.ledgers,
            self.events,
            self.transactions,
            self.passphrase,
            objects=self.objects,
            event_filter=self.event_filter,
            anchor=self.anchor,
            with_calls=self.with_calls,
        )
        return encoded(rows, self.layouts)


def encoded(rows: BatchRows, layouts: Layouts) -> EncodedBatch:
    """Encode the rows of a batch.

    Raises:
        MassFailureError: too many items were bad.
        DecodeError: a number is out of range for its column.
    """
    refuse_mass_failure(rows)
    return EncodedBatch(rows, layouts)


def set_up() -> None:
    """Prepare a process: Ctrl-C is for the parent alone, and what is made here has no cycles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.disable()
