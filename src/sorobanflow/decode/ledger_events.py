"""The event stream of a ledger: every event with the id that a node gives it.

Four stages in this order: fees before all transactions (transaction 0), the operations' events,
the events after each transaction (operation 4095), refunds after all transactions (transaction
1048575). Fees and refunds are numbered across the ledger. Diagnostic events are left out, but
counted. Invariant: ids ascend. Source: getEvents of stellar-rpc.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from sorobanflow.decode.contract_events import DIAGNOSTIC, SYSTEM, ContractEvent
from sorobanflow.decode.meta_events import AFTER_ALL, AFTER_TX, BEFORE_ALL, MetaEvents
from sorobanflow.decode.reader import to_base64
from sorobanflow.decode.strkeys import encode_contract
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.toid import MAX_OP, MAX_TX, Position

_Pairs: TypeAlias = Sequence[tuple[Transaction, MetaEvents]]


def ledger_events(transactions: _Pairs) -> list[Event]:
    """Give the events of a ledger, whose transactions are in the order of application."""
    return [
        *_across_ledger(transactions, BEFORE_ALL, 0),
        *(event for pair in transactions for event in _of_transaction(*pair)),
        *_across_ledger(transactions, AFTER_ALL, MAX_TX),
    ]


def _across_ledger(transactions: _Pairs, stage: str, tx: int) -> Iterator[Event]:
    number = 0
    for transaction, meta in transactions:
        events = meta.staged.get(stage, ())
        yield from _events(transaction, tx, 0, events, number)
        number += len(events)


def _of_transaction(transaction: Transaction, meta: MetaEvents) -> Iterator[Event]:
    tx = transaction.application_order
    for op, events in enumerate(meta.operations):
        yield from _events(transaction, tx, op, events)
    yield from _events(transaction, tx, MAX_OP, meta.staged.get(AFTER_TX, ()))


def _events(
    transaction: Transaction, tx: int, op: int, events: Sequence[ContractEvent], first: int = 0
) -> Iterator[Event]:
    for number, (kind, contract, topics, value) in enumerate(events, start=first):
        if kind == DIAGNOSTIC:
            continue
        yield Event(
            id=Position(transaction.ledger, tx, op, number).event_id,
            type="system" if kind == SYSTEM else "contract",
            ledger=transaction.ledger,
            ledger_closed_at=_rfc3339(transaction.created_at),
            tx_hash=transaction.tx_hash,
            value=to_base64(value),
            contract_id=encode_contract(contract) if contract else "",
            topic=[*map(to_base64, topics)] or None,
            in_successful_contract_call=transaction.status == "SUCCESS",
        )


@lru_cache(maxsize=16)
def _rfc3339(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
