"""Choose how a batch's transactions are fetched: by ledgers or by hashes.

Follows the reading of a batch's events. Unfiltered indexing wants every
transaction, with or without events, so workers take ledgers. Filtered indexing
wants those of the matching events: by hash, unless they are so many of what the
ledgers hold that whole pages are cheaper. Invariant: what events name is either
fetched or asked for again by hash; the choice only changes the number of calls.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from sorobanflow.errors import ConfigurationError, RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.sources.rpc.fetch import HashChunk, LedgerChunk
from sorobanflow.sources.rpc.filters import EventFilter
from sorobanflow.sources.rpc.paging import EdgeCheck, EventsRead, EventsWalk
from sorobanflow.sources.rpc.plan import plan_hash_chunks, plan_ledger_chunks
from sorobanflow.sources.rpc.wire import Items

FetchPlan = Literal["auto", "ledgers", "hashes"]
TransactionChunk = LedgerChunk | HashChunk | EdgeCheck

#: Whole pages are cheaper from this share of the ledgers' transactions on: a page
#: carries 200 in one answer, by hash the node looks up each.
WORTH_WHOLE_LEDGERS = 0.5

#: A page of getEvents holds a batch, not more, but is worth a call.
SMALLEST_PAGE = 1000

_items = Items(Transaction)


class EventsFetch:
    """The events of a batch; keeps what it read, and goes on there after a fault.

    Args:
        ledgers: The ledgers asked for.
        event_filter: Which events are wanted; None: all.
        most_events: Events at which the batch is full: it ends with the last
            ledger that is read whole. A single ledger is never split.
    """

    def __init__(
        self, ledgers: LedgerRange, event_filter: EventFilter | None, most_events: int
    ) -> None:
        self._asked = ledgers
        filters = (event_filter,) if event_filter else ()
        page = max(SMALLEST_PAGE, min(most_events, MAX_EVENTS))
        self._walk = EventsWalk(ledgers, filters, page, most_events)
        self._read: EventsRead | None = None

    @property
    def label(self) -> str:
        """The ledgers asked for, as a log line names them."""
        return str(self._asked)

    @property
    def ledgers(self) -> LedgerRange:
        """The batch's ledgers: those read to their end, and all until then."""
        return self._read.ledgers if self._read else self._asked

    @property
    def rest(self) -> LedgerRange | None:
        """What was asked for and left to another batch, since this one was full."""
        left = LedgerRange(self.ledgers.last + 1, self._asked.last)
        return left if left.size > 0 else None

    @property
    def events(self) -> list[Event | Malformed]:
        """What was read, in chain order."""
        return self._read.events if self._read else []

    @property
    def near_edge(self) -> bool:
        """Whether what was read has to be checked against the node's oldest ledger."""
        return self._read is not None and self._read.near_edge

    def wanted(self) -> dict[str, int]:
        """The transactions that the events name, with their ledgers."""
        return {event.tx_hash: event.ledger for event in self.events if isinstance(event, Event)}

    def fetch(self, client: RpcClient) -> list[Event | Malformed]:
        """Read the events; once read, they are not asked for again."""
        if self._read is None:
            self._read = self._walk.read(client)
        return self.events


class BatchFetch:
    """A batch's events and the first chunk of its transactions, one after the other.

    The other chunks are for others to fetch: they are known once `is_planned`.

    Args:
        events: The events to read.
        planner: Plans the chunks.
        beside: See `TransactionPlanner.chunks`.
        on_planned: Called when the events are read and the chunks planned.
    """

    def __init__(
        self,
        events: EventsFetch,
        planner: "TransactionPlanner",
        beside: int,
        on_planned: Callable[[], None],
    ) -> None:
        self.events = events
        self._planner = planner
        self._beside = beside
        self._on_planned = on_planned
        self._chunks: list[TransactionChunk] | None = None

    @property
    def label(self) -> str:
        """The ledgers asked for, as a log line names them."""
        return self.events.label

    @property
    def is_planned(self) -> bool:
        """Whether the events are read and the chunks planned."""
        return self._chunks is not None

    @property
    def others(self) -> list[TransactionChunk]:
        """The chunks that this leaves to others."""
        return (self._chunks or [])[1:]

    def fetch(self, client: RpcClient) -> list[Transaction | Malformed]:
        """Read the events, then fetch the first chunk; goes on there after a fault."""
        if self._chunks is None:
            self.events.fetch(client)
            self._chunks = self._planner.chunks(client, self.events, self._beside)
            self._on_planned()
        return self._chunks[0].fetch(client) if self._chunks else []


class TransactionPlanner:
    """Plans the transaction chunks of batches, for one run.

    Args:
        plan: What the caller asks for; `auto` chooses per batch.
        filtered: Whether only the transactions of matching events are wanted.
        workers: Calls at once.
        batch_calls: Members of a JSON-RPC batch; 1: single calls.

    Raises:
        ConfigurationError: by hash, an unfiltered run would miss transactions
            without events.
    """

    def __init__(self, plan: FetchPlan, filtered: bool, workers: int, batch_calls: int) -> None:
        if plan == "hashes" and not filtered:
            raise ConfigurationError(
                "fetch_plan 'hashes' fetches only transactions that have events, and without "
                "a filter every transaction is wanted; use 'auto' or 'ledgers', or give a filter"
            )
        self._plan = plan
        self._filtered = filtered
        self._workers = workers
        self._batch_calls = batch_calls
        self._per_ledger: float | None = None
        self._average: float | None = None

    def chunks(
        self, client: RpcClient, fetch: EventsFetch, beside: int = 0
    ) -> list[TransactionChunk]:
        """Plan the chunks of a batch whose events are read.

        Args:
            client: For what it knows of the node.
            fetch: The events.
            beside: Batches in flight beside this one. They keep workers busy too, so
                each is cut into fewer chunks: every chunk is a task, which costs more
                than a call.
        """
        chunks = self._chunks(client, fetch, beside)
        if fetch.near_edge and not _holds_start(chunks, fetch.ledgers):
            chunks.append(EdgeCheck(fetch.ledgers))
        return chunks

    def _chunks(self, client: RpcClient, fetch: EventsFetch, beside: int) -> list[TransactionChunk]:
        wanted = fetch.wanted()
        if self._filtered and (not wanted or not self._by_ledgers(client, fetch.ledgers, wanted)):
            return self._hash_chunks(client, wanted)
        hints = self._hints(fetch.ledgers, wanted)
        share = -(-self._workers // (beside + 1))
        total = sum(count for _, count in hints)
        size = max(client.sizes["getTransactions"].items_per_task, -(-(total + 1) // share))
        return [*plan_ledger_chunks(fetch.ledgers, hints, share, size)]

    def learn(self, ledgers: LedgerRange, transactions: int) -> None:
        """Take in how many transactions whole ledgers held; recent ones weigh most."""
        average = transactions / ledgers.size
        self._average = average if self._average is None else (self._average + average) / 2

    def chunks_of_missing(
        self,
        client: RpcClient,
        fetch: EventsFetch,
        transactions: Sequence[Transaction | Malformed],
    ) -> list[TransactionChunk]:
        """Plan what events name and no chunk brought; nothing on a sound node."""
        # What came malformed would come so again, and be quarantined twice.
        got = {_hash_of(item) for item in transactions}
        missing = {name: ledger for name, ledger in fetch.wanted().items() if name not in got}
        return self._hash_chunks(client, missing)

    def only_wanted(
        self, fetch: EventsFetch, transactions: Sequence[Transaction | Malformed]
    ) -> list[Transaction | Malformed]:
        """Leave out what whole pages brought beside the wanted transactions."""
        if not self._filtered:
            return [*transactions]
        wanted = fetch.wanted()
        return [
            item for item in transactions if isinstance(item, Malformed) or item.tx_hash in wanted
        ]

    def _hash_chunks(self, client: RpcClient, wanted: dict[str, int]) -> list[TransactionChunk]:
        per_call = min(self._batch_calls, client.sizes["getTransaction"].items)
        return [*plan_hash_chunks([*wanted.items()], self._workers, per_call)]

    def _hints(self, ledgers: LedgerRange, wanted: dict[str, int]) -> list[tuple[int, int]]:
        """Guess the transactions of each ledger: those with events, but not less than usual.

        Nodes need not emit events of classic transactions.
        """
        named = Counter(wanted.values())
        usual = 0 if self._filtered else round(self._average or 0)
        hints = (
            (ledger, max(named[ledger], usual)) for ledger in range(ledgers.first, ledgers.last + 1)
        )
        return [(ledger, count) for ledger, count in hints if count]

    def _by_ledgers(self, client: RpcClient, ledgers: LedgerRange, wanted: dict[str, int]) -> bool:
        if self._plan != "auto":
            return self._plan == "ledgers"
        if self._per_ledger is None:
            try:
                self._per_ledger = _measure(client, ledgers.first)
            except RetriableError:  # the plan is only a guess at what is cheaper
                return False
        return len(wanted) >= WORTH_WHOLE_LEDGERS * self._per_ledger * ledgers.size


def _holds_start(chunks: Sequence[TransactionChunk], ledgers: LedgerRange) -> bool:
    """Whether a chunk comes to its end only if the node has the range's start."""
    start = ledgers.first, 0
    return any(isinstance(chunk, LedgerChunk) and chunk.start == start for chunk in chunks)


def _hash_of(item: Transaction | Malformed) -> str | None:
    if isinstance(item, Transaction):
        return item.tx_hash
    stated = item.stated_hash
    return stated.lower() if stated is not None else None


def _measure(client: RpcClient, ledger: int) -> float:
    """Give the transactions per ledger that one page shows."""
    page = _items.decode(client.get_transactions(start=ledger).transactions)
    ledgers = {item.ledger for item in page if isinstance(item, Transaction)}
    return len(page) / (max(ledgers) - ledger + 1) if ledgers else 0.0
