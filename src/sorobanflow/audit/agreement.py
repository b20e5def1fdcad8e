"""Compare ledgers with the node: are the same events and transactions there, by their ids?

An audit runs one comparison per portion of ledgers, each a task. Invariant: a
difference is named for each ledger that has one and for no other; what stands
in quarantine is there, for nothing of it is lost. Leaves repair to the flow.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

from sqlalchemy import Engine

from sorobanflow.audit import stored
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.quarantine import Item, quarantine_row, stated_ledger
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.fetch_plan import EventsFetch, TransactionPlanner
from sorobanflow.sources.rpc.filters import EventFilter

Kind = Literal["event", "transaction"]

#: Ids of a difference that are named.
NAMED = 3
#: Events in one go; a fuller portion is compared in parts.
MOST_EVENTS = 10_000

_planner = TransactionPlanner("ledgers", filtered=False, workers=1, batch_calls=1)


class Difference(NamedTuple):
    """Where a ledger's events or transactions are not those of the node.

    Attributes:
        ledger: The ledger.
        kind: event or transaction.
        missing: How many the node has and the table lacks.
        surplus: How many the table has and the node does not.
        ids: The first few of them, the missing ones first.
    """

    ledger: int
    kind: Kind
    missing: int
    surplus: int
    ids: tuple[str, ...]


def differences(
    kind: Kind, at_node: Mapping[str, int], here: Mapping[str, int], set_aside: Collection[str]
) -> list[Difference]:
    """Compare ids; by ledger.

    Args:
        kind: What they are ids of.
        at_node: Ids that the node has, with their ledgers.
        here: Ids that the table has, with their ledgers.
        set_aside: Ids that are in quarantine.
    """
    missing, surplus = _by_ledger(at_node, {*here, *set_aside}), _by_ledger(here, at_node)
    return [
        Difference(
            ledger,
            kind,
            len(missing.get(ledger, ())),
            len(surplus.get(ledger, ())),
            (*missing.get(ledger, ())[:NAMED], *surplus.get(ledger, ())[:NAMED])[:NAMED],
        )
        for ledger in sorted({*missing, *surplus})
    ]


def _by_ledger(ids: Mapping[str, int], known: Collection[str]) -> dict[int, list[str]]:
    grouped: dict[int, list[str]] = {}
    for key in sorted(ids):
        if key not in known:
            grouped.setdefault(ids[key], []).append(key)
    return grouped


class Comparison:
    """The comparison of a range of covered ledgers; goes on where a fault stopped it.

    Args:
        ledgers: The ledgers; the node should have them all.
        event_filter: The stream's; None: everything.
    """

    def __init__(self, ledgers: LedgerRange, event_filter: EventFilter | None) -> None:
        self.ledgers = ledgers
        self.differences: list[Difference] = []
        self._filter = event_filter
        self._fetch: EventsFetch | None = self._fetch_of(ledgers)

    def run(self, client: RpcClient, engine: Engine) -> None:
        """Ask the node and the tables, and keep the differences.

        Raises:
            LedgerOutsideRetentionError: the node no longer has the ledgers.
        """
        while self._fetch is not None:
            events, transactions = self._at_node(self._fetch, client)
            self.differences += self._compare(engine, self._fetch.ledgers, events, transactions)
            rest = self._fetch.rest
            self._fetch = self._fetch_of(rest) if rest else None

    def _fetch_of(self, ledgers: LedgerRange) -> EventsFetch:
        return EventsFetch(ledgers, self._filter, MOST_EVENTS)

    def _at_node(
        self, fetch: EventsFetch, client: RpcClient
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Give the ids of the events and transactions that the stream is to hold."""
        events = _ids("event", fetch.fetch(client), fetch.ledgers)
        transactions = fetch.wanted()  # filtered, these are all
        if self._filter is None:
            for chunk in _planner.chunks(client, fetch):
                transactions |= _ids("transaction", chunk.fetch(client), fetch.ledgers)
        return events, transactions

    def _compare(
        self,
        engine: Engine,
        ledgers: LedgerRange,
        events: dict[str, int],
        transactions: dict[str, int],
    ) -> list[Difference]:
        only = None if self._filter is None else transactions
        with engine.begin() as connection:
            events_here = stored.event_ids(connection, ledgers, self._filter)
            here = stored.transaction_ids(connection, ledgers, only)
            aside = stored.in_quarantine(connection, "event", events.keys() - events_here)
            aside |= stored.in_quarantine(connection, "transaction", transactions.keys() - here)
        return [
            *differences("event", events, events_here, aside),
            *differences("transaction", transactions, here, aside),
        ]


def _ids(kind: Kind, items: Iterable[Item], ledgers: LedgerRange) -> dict[str, int]:
    """Give the items' ids with their ledgers; of malformed ones the keys of quarantine."""
    ids: dict[str, int] = {}
    ledger = ledgers.first
    for item in items:
        said = stated_ledger(item)
        ledger = said if said is not None and ledgers.holds(said) else ledger
        ids[_id(kind, item, ledger)] = ledger
    return ids


def _id(kind: Kind, item: Item, ledger: int) -> str:
    if isinstance(item, Event):
        return item.id
    if isinstance(item, Transaction):
        return item.tx_hash
    return quarantine_row(kind, item, ledger, DecodeError()).key
