"""Compare ledgers with the node: does the database hold the same events and transactions?

Every ledger that differs has a difference. An item in quarantine counts as stored: it is not lost.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

from sqlalchemy import Engine

from sorobanflow.audit import stored
from sorobanflow.errors import DecodeError, LedgerOutsideRetentionError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.quarantine import Item, quarantine_row, stated_ledger
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.sources.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.sources.rpc.events_walk import EventsRead, EventsWalk
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.sources.rpc.planner import TransactionPlanner

Kind = Literal["event", "transaction"]

#: Ids that a difference names.
MAX_NAMED_IDS = 3


class Difference(NamedTuple):
    """A ledger whose events or transactions are not those of the node."""

    ledger: int
    kind: Kind
    missing: int  # how many the node has and the table lacks
    surplus: int  # how many the table has and the node lacks
    ids: tuple[str, ...]  # the first few of them, the missing ones first


class Failure(NamedTuple):
    """Ledgers that could not be compared or repaired, and why."""

    ledgers: LedgerRange
    error: str


class Compared(NamedTuple):
    """The number of ledgers that were compared with the node, and what came of it."""

    ledgers: int = 0
    differences: tuple[Difference, ...] = ()
    failures: tuple[Failure, ...] = ()

    def add(self, other: "Compared") -> "Compared":
        """Add the result of other ledgers."""
        return Compared(
            self.ledgers + other.ledgers,
            (*self.differences, *other.differences),
            (*self.failures, *other.failures),
        )


def compare(
    engine: Engine, client: RpcClient, ledgers: LedgerRange, event_filter: EventFilter | None
) -> Compared:
    """Compare a stream's covered ledgers with the node's, without those that it drops meanwhile."""
    compared = Compared()
    rest = ledgers
    while rest.size > 0:
        try:
            read = EventsWalk(rest, event_filter, MAX_EVENTS, MAX_EVENTS).read(client)
            events, transactions = _ids_at_node(client, read, event_filter)
        except LedgerOutsideRetentionError as error:
            rest = LedgerRange(max(error.oldest, rest.first + 1), rest.last)
            continue
        found = _compare_with_tables(engine, read.ledgers, event_filter, events, transactions)
        compared = compared.add(Compared(read.ledgers.size, tuple(found)))
        rest = LedgerRange(read.ledgers.last + 1, rest.last)
    return compared


def _ids_at_node(
    client: RpcClient, read: EventsRead, event_filter: EventFilter | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Map the ids of the events and transactions that the stream should hold to ledgers."""
    events = _ids("event", read.events, read.ledgers)
    transactions = dict(read.named)
    if event_filter is None:  # else those that the events name are all
        planner = TransactionPlanner("ledgers", filtered=False, workers=1, batch_calls=1)
        for chunk in planner.chunks(client, read):
            transactions |= _ids("transaction", chunk.fetch(client), read.ledgers)
    return events, transactions


def _compare_with_tables(
    engine: Engine,
    ledgers: LedgerRange,
    event_filter: EventFilter | None,
    events: dict[str, int],
    transactions: dict[str, int],
) -> list[Difference]:
    only = None if event_filter is None else transactions
    with engine.begin() as connection:
        stored_events = stored.event_ids(connection, ledgers, event_filter)
        stored_transactions = stored.transaction_ids(connection, ledgers, only)
        quarantined = stored.in_quarantine(connection, "event", events.keys() - stored_events)
        quarantined |= stored.in_quarantine(
            connection, "transaction", transactions.keys() - stored_transactions
        )
    return [
        *differences("event", events, stored_events, quarantined),
        *differences("transaction", transactions, stored_transactions, quarantined),
    ]


def differences(
    kind: Kind, at_node: Mapping[str, int], in_table: Mapping[str, int], known: Collection[str]
) -> list[Difference]:
    """Compare ids, each with its ledger; `known` are in quarantine."""
    missing, surplus = _by_ledger(at_node, {*in_table, *known}), _by_ledger(in_table, at_node)
    found = []
    for ledger in sorted({*missing, *surplus}):
        absent, extra = missing.get(ledger, []), surplus.get(ledger, [])
        ids = (*absent, *extra)[:MAX_NAMED_IDS]
        found.append(Difference(ledger, kind, len(absent), len(extra), ids))
    return found


def _by_ledger(ids: Mapping[str, int], known: Collection[str]) -> dict[int, list[str]]:
    """Group the ids that are not known by ledger, ascending."""
    grouped: dict[int, list[str]] = {}
    for key in sorted(ids.keys() - known):
        grouped.setdefault(ids[key], []).append(key)
    return grouped


def _ids(kind: Kind, items: Iterable[Item], ledgers: LedgerRange) -> dict[str, int]:
    """Map the items' ids to their ledgers; a malformed item has its key in quarantine."""
    ids: dict[str, int] = {}
    ledger = ledgers.first
    for item in items:
        stated = stated_ledger(item)
        ledger = stated if stated is not None and ledgers.holds(stated) else ledger
        ids[_id(kind, item, ledger)] = ledger
    return ids


def _id(kind: Kind, item: Item, ledger: int) -> str:
    if isinstance(item, Event):
        return item.id
    if isinstance(item, Transaction):
        return item.tx_hash
    return quarantine_row(kind, item, ledger, DecodeError()).key
