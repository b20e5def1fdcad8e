"""Events and transactions of a node as a source: the default, and the only filtered one.

Implements `sources.source`. A batch takes three rounds: its events (which tell how many
transactions its ledgers hold), its transactions in chunks, and again by hash those that
events name and no chunk brought.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.client import MAX_EVENTS, RpcClient
from sorobanflow.sources.rpc.events_walk import EventsWalk
from sorobanflow.sources.rpc.planner import TransactionChunk, TransactionPlanner
from sorobanflow.sources.source import Available, Fetched, FetchedItems, FetchStep

#: Events per page of getEvents: as many as the batch may hold, but enough to be worth a call.
MIN_EVENTS_PAGE = 1000


class RpcSource:
    """A node; with a filter, only its events and their transactions are fetched."""

    def __init__(
        self,
        client: RpcClient,
        passphrase: str,
        event_filter: EventFilter | None,
        planner: TransactionPlanner,
    ) -> None:
        self.client = client
        self.passphrase = passphrase
        self.event_filter = event_filter
        self.planner = planner
        self.ledgers_per_object = 1

    @property
    def address(self) -> str:
        """The node's URL, without secrets."""
        return self.client.endpoint

    @property
    def last_failure(self) -> str:
        """Why the last attempt of a call failed; empty if one has succeeded since."""
        return self.client.last_failure

    def available(self, wanted: LedgerRange | None = None) -> Available:
        """Ask the node which ledgers it has."""
        return self.client.get_health().available

    def begin_batch(
        self, ledgers: LedgerRange, max_events: int, other_batches: int = 0
    ) -> "RpcBatchFetch":
        """Begin to fetch a batch."""
        return RpcBatchFetch(self, ledgers, max_events, other_batches)

    def stop(self) -> None:
        """End calls in progress and refuse new ones."""
        self.client.stop()


class RpcBatchFetch:
    """The fetching of one batch from a node."""

    def __init__(
        self, source: RpcSource, ledgers: LedgerRange, max_events: int, other_batches: int
    ) -> None:
        self._source = source
        self._requested = ledgers
        self._events = EventsStep(source, ledgers, max_events, other_batches)
        self._chunks: list[TransactionsStep] = []
        self._rounds = self._plan_rounds()

    @property
    def ledgers(self) -> LedgerRange:
        """The ledgers whose events were read to their end; until then those requested."""
        return self._events.ledgers

    @property
    def rest(self) -> LedgerRange | None:
        """The requested ledgers after them."""
        rest = LedgerRange(self.ledgers.last + 1, self._requested.last)
        return rest if rest.size > 0 else None

    def next_steps(self) -> Sequence[FetchStep]:
        """Give the steps of the next round that has any."""
        return next(filter(None, self._rounds), [])

    def _plan_rounds(self) -> Iterator[Sequence[FetchStep]]:
        yield [self._events]
        yield self._start_chunks(self._events.chunks)
        yield self._start_chunks(self._missing_chunks())

    def _start_chunks(self, chunks: Sequence[TransactionChunk]) -> list["TransactionsStep"]:
        wanted = self._events.wanted if self._source.event_filter is not None else None
        steps = [TransactionsStep(self._source.client, chunk, wanted) for chunk in chunks]
        self._chunks += steps
        return steps

    def _missing_chunks(self) -> Sequence[TransactionChunk]:
        """Plan the transactions that events name and no chunk brought; none on a sound node."""
        fetched = {name for step in self._chunks for name in step.hashes}
        count = sum(step.count for step in self._chunks)
        self._source.planner.learn(self.ledgers, count, len(self._events.wanted))
        missing = {
            name: ledger for name, ledger in self._events.wanted.items() if name not in fetched
        }
        return self._source.planner.hash_chunks(self._source.client, missing)


class EventsStep:
    """Reads the events of a range, then plans the chunks of its transactions.

    `wanted` maps the transactions that the events name, by hash, to their ledgers.
    """

    kind: Literal["fetch-events"] = "fetch-events"

    def __init__(
        self, source: RpcSource, ledgers: LedgerRange, max_events: int, other_batches: int
    ) -> None:
        self.ledgers = ledgers
        self.label = str(ledgers)
        self.wanted: Mapping[str, int] = {}
        self.chunks: Sequence[TransactionChunk] = []
        self._source = source
        self._other_batches = other_batches
        self._events: list[Event | Malformed] = []
        page = max(MIN_EVENTS_PAGE, min(max_events, MAX_EVENTS))
        self._walk = EventsWalk(ledgers, source.event_filter, page, max_events)

    def run(self) -> Fetched:
        """Read the events; the plan may ask the node what its ledgers hold."""
        source = self._source
        read = self._walk.read(source.client)
        self.wanted = read.named
        self.chunks = source.planner.chunks(source.client, read, self._other_batches)
        self.ledgers = read.ledgers
        self._events = read.events
        return Fetched(len(read.events), 0, sum(event.size_bytes for event in read.events))

    def take(self) -> FetchedItems:
        """Hand the events over."""
        events, self._events = self._events, []
        return FetchedItems(events, [])


class TransactionsStep:
    """Fetches one chunk of a batch's transactions.

    `hashes` and `count` are of all that were fetched, unwanted ones included.
    """

    kind: Literal["fetch-transactions"] = "fetch-transactions"

    def __init__(
        self, client: RpcClient, chunk: TransactionChunk, wanted: Mapping[str, int] | None
    ) -> None:
        self.label = chunk.label
        self.hashes: set[str] = set()
        self.count = 0
        self._client = client
        self._chunk: TransactionChunk | None = chunk
        self._wanted = wanted
        self._transactions: list[Transaction | Malformed] = []

    def run(self) -> Fetched:
        """Fetch the chunk."""
        assert self._chunk is not None
        fetched = self._chunk.fetch(self._client)
        self.count = len(fetched)
        # A malformed item would be malformed again, and be in quarantine twice.
        self.hashes = {name for item in fetched if (name := _stated_hash(item))}
        # Whole pages hold transactions that a filtered stream does not want.
        self._transactions = [item for item in fetched if self._wants(item)]
        return Fetched(0, self.count, sum(item.size_bytes for item in fetched))

    def take(self) -> FetchedItems:
        """Hand the transactions over."""
        transactions, self._transactions = self._transactions, []
        self._chunk = None  # it holds them too
        return FetchedItems([], transactions)

    def _wants(self, item: Transaction | Malformed) -> bool:
        return self._wanted is None or isinstance(item, Malformed) or item.tx_hash in self._wanted


def _stated_hash(item: Transaction | Malformed) -> str | None:
    if isinstance(item, Transaction):
        return item.tx_hash
    stated = item.stated_hash
    return stated.lower() if stated is not None else None
