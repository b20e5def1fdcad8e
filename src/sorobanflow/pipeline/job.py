"""What a decode process does: it makes a batch's rows, and encodes them.

Invariant: what this imports, each process imports; so it is neither SQLAlchemy nor psycopg nor
stellar-sdk.
"""

import gc
import signal
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from sorobanflow.ledgers import Anchor, LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.mass_failure import refuse_mass_failure
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, LedgerObject, Malformed, Transaction
from sorobanflow.store.encoded import EncodedBatch, Layouts

ItemT = TypeVar("ItemT", Event, Transaction)

_encode = msgspec.msgpack.Encoder().encode
_events = msgspec.msgpack.Decoder(list[Event])
_transactions = msgspec.msgpack.Decoder(list[Transaction])


class Job(NamedTuple):
    """What a process needs to make a batch's rows.

    The items of each step are MessagePack, which takes a third of the time of pickle; or the items
    themselves where one of them is malformed.
    """

    ledgers: LedgerRange
    events: list[bytes | list[Event | Malformed]]
    transactions: list[bytes | list[Transaction | Malformed]]
    objects: list[LedgerObject]
    layouts: Layouts
    passphrase: str
    event_filter: EventFilter | None
    anchor: Anchor | None
    with_calls: bool

    def add_events(self, items: Iterable[Event | Malformed]) -> None:
        """Add events of a step."""
        self.events.append(_packed([*items]))

    def add_transactions(self, items: Iterable[Transaction | Malformed]) -> None:
        """Add transactions of a step."""
        self.transactions.append(_packed([*items]))

    def make(self) -> EncodedBatch:
        """Make them; errors as in `encoded` and `RowMaker.finish`."""
        rows = make_rows(
            self.ledgers,
            _unpacked(self.events, _events),
            _unpacked(self.transactions, _transactions),
            self.passphrase,
            objects=self.objects,
            event_filter=self.event_filter,
            anchor=self.anchor,
            with_calls=self.with_calls,
        )
        return encoded(rows, self.layouts)


def _packed(items: list[ItemT | Malformed]) -> bytes | list[ItemT | Malformed]:
    return items if Malformed in {type(item) for item in items} else _encode(items)


def _unpacked(
    steps: Iterable[bytes | list[ItemT | Malformed]], decoder: msgspec.msgpack.Decoder[list[ItemT]]
) -> Iterator[ItemT | Malformed]:
    for step in steps:
        yield from decoder.decode(step) if isinstance(step, bytes) else step


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
