"""The event stream of a ledger: every event with the id that a node gives it.

Four stages in this order: fees before all transactions (transaction 0), the operations' events,
the events after each transaction (operation 4095), refunds after all transactions (transaction
1048575). Fees and refunds are numbered across the ledger. Diagnostic events are left out, but
counted. Invariant: ids ascend. Source: getEvents of stellar-rpc.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from sorobanflow.decode.contract_events import DIAGNOSTIC, SYSTEM, ContractEvent
from sorobanflow.decode.meta_events import AFTER_ALL, AFTER_TX, BEFORE_ALL, MetaEvents
from sorobanflow.decode.strkeys import encode_contract
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.toid import MAX_OP, MAX_TX, toid

Selects: TypeAlias = Callable[[ContractEvent], bool]
_Pairs: TypeAlias = Sequence[tuple[Transaction, MetaEvents]]


def ledger_events(transactions: _Pairs, selects: Selects = lambda _: True) -> list[Event]:
    """Give the events of a ledger, or some: its transactions are in the order of application."""
    return [
        *_across_ledger(transactions, BEFORE_ALL, 0, selects),
        *(event for pair in transactions for event in _of_transaction(*pair, selects)),
        *_across_ledger(transactions, AFTER_ALL, MAX_TX, selects),
    ]


def _across_ledger(transactions: _Pairs, stage: str, tx: int, selects: Selects) -> Iterator[Event]:
    number = 0
    for transaction, meta in transactions:
        events = meta.staged.get(stage, ())
        yield from _events(transaction, (tx, 0), events, selects, number)
        number += len(events)


def _of_transaction(
    transaction: Transaction, meta: MetaEvents, selects: Selects
) -> Iterator[Event]:
    tx = transaction.application_order
    for op, events in enumerate(meta.operations):
        yield from _events(transaction, (tx, op), events, selects)
    yield from _events(transaction, (tx, MAX_OP), meta.staged.get(AFTER_TX, ()), selects)


def _events(
    transaction: Transaction,
    place: tuple[int, int],
    events: Sequence[ContractEvent],
    selects: Selects,
    first: int = 0,
) -> Iterator[Event]:
    if not events:
        return
    ledger, tx_hash = transaction.ledger, transaction.tx_hash
    toid_text, closed_at = f"{toid(ledger, *place):019d}", _rfc3339(transaction.created_at)
    succeeded = transaction.status == "SUCCESS"
    for number, event in enumerate(events, start=first):
        kind, contract, topics, value = event
        if kind == DIAGNOSTIC or not selects(event):
            continue
        yield Event(
            f"{toid_text}-{number:010d}",
            "system" if kind == SYSTEM else "contract",
            ledger,
            closed_at,
            tx_hash,
            value,
            encode_contract(contract) if contract else "",
            topics or None,
            succeeded,
        )


@lru_cache(maxsize=16)
def _rfc3339(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
