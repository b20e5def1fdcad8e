"""The event stream of a ledger: every event with its id, as the node assigns it.

Four stages in this order: fees before all transactions (transaction 0), the
operations' events, the events after each transaction (operation 4095) and the
refunds after all transactions (transaction 1048575). Fees and refunds are
numbered across the ledger in the order of application, so ids need the whole
ledger. Diagnostic events are not in the stream. `filters` handles filters.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple

from sorobanflow.devnet.meta import (
    AFTER_ALL_TXS,
    AFTER_TX,
    BEFORE_ALL_TXS,
    CONTRACT,
    SYSTEM,
    ContractEvent,
    TransactionEvents,
)
from sorobanflow.toid import MAX_OP, MAX_TX, Position


class LedgerEvent(NamedTuple):
    """One event of the stream."""

    position: Position
    tx_hash: str
    successful: bool
    event: ContractEvent


class AppliedEvents(NamedTuple):
    """The events of one transaction, with its hash and outcome."""

    tx_hash: str
    successful: bool
    events: TransactionEvents


def ledger_events(ledger: int, applied: Sequence[AppliedEvents]) -> tuple[LedgerEvent, ...]:
    """Return the ledger's stream, ascending by id.

    Args:
        ledger: Its sequence.
        applied: All its transactions, in apply order.
    """
    stream = [
        *_through_ledger(ledger, applied, BEFORE_ALL_TXS, 0),
        *_by_transaction(ledger, applied),
        *_through_ledger(ledger, applied, AFTER_ALL_TXS, MAX_TX),
    ]
    return tuple(entry for entry in stream if entry.event.type in (SYSTEM, CONTRACT))


def _through_ledger(
    ledger: int, applied: Sequence[AppliedEvents], stage: int, tx: int
) -> Iterator[LedgerEvent]:
    index = count()
    for tx_hash, successful, events in applied:
        for staged in events.staged:
            if staged.stage == stage:
                position = Position(ledger, tx, 0, next(index))
                yield LedgerEvent(position, tx_hash, successful, staged.event)


def _by_transaction(ledger: int, applied: Sequence[AppliedEvents]) -> Iterator[LedgerEvent]:
    for tx, (tx_hash, successful, events) in enumerate(applied, start=1):
        for op, operation in enumerate(events.operations):
            for index, event in enumerate(operation):
                yield LedgerEvent(Position(ledger, tx, op, index), tx_hash, successful, event)
        after = (staged.event for staged in events.staged if staged.stage == AFTER_TX)
        for index, event in enumerate(after):
            yield LedgerEvent(Position(ledger, tx, MAX_OP, index), tx_hash, successful, event)
