"""The interface of a source: where ledgers come from, as the pipeline sees it.

A source gives the items of a batch (events and transactions) in rounds of steps. The
pipeline has the steps of a round run side by side, each as a task, and asks for the
next round when all of them have ended. Invariant: when there is no further round, the
batch holds every item of its ledgers that the source was asked for, and the source's
answers have proved it.

    batch = source.begin_batch(LedgerRange(100, 199), max_events=2000)
    while steps := batch.next_steps():
        for step in steps:
            step.run()
            events, transactions = step.take()

`rpc.source` is the source of events and transactions from a node. The tests of this
interface are in `tests/integration/test_source_conformance.py`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import Event, Malformed, Transaction

StepKind = Literal["fetch-events", "fetch-transactions"]


class Fetched(NamedTuple):
    """What a step fetched, in figures.

    Attributes:
        events: Number of events.
        transactions: Number of transactions.
        size_bytes: Bytes of their XDR.
    """

    events: int
    transactions: int
    size_bytes: int


class FetchedItems(NamedTuple):
    """FetchedItems of a batch in chain order, as `rows` takes them."""

    events: Sequence[Event | Malformed]
    transactions: Sequence[Transaction | Malformed]


class FetchStep(Protocol):
    """Part of fetching a batch that runs as one task.

    Attributes:
        kind: Name of the task.
        label: What the step works on, for the name of the task run.
    """

    @property
    def kind(self) -> StepKind: ...  # noqa: D102

    @property
    def label(self) -> str: ...  # noqa: D102

    def run(self) -> Fetched:
        """Fetch, and keep the items; called again after an error, it continues where it was.

        Raises:
            RetriableError: the source may answer later.
            LedgerOutsideRetentionError: the source no longer has a ledger of the batch.
        """

    def take(self) -> FetchedItems:
        """Hand the items over; the step keeps none of them."""


class BatchFetch(Protocol):
    """The fetching of one batch.

    Attributes:
        ledgers: Ledgers of the batch. The first round may show that they hold too much:
            then the batch ends earlier.
        rest: The requested ledgers that the batch leaves out, if any.
    """

    @property
    def ledgers(self) -> LedgerRange: ...  # noqa: D102

    @property
    def rest(self) -> LedgerRange | None: ...  # noqa: D102

    def next_steps(self) -> Sequence[FetchStep]:
        """Give the steps of the next round; none when everything was fetched.

        Called once at the beginning, and then when all steps of the last round have
        run and their items were taken.
        """


class Source(Protocol):
    """Where ledgers come from; shared by the pipelines and threads of a run.

    Attributes:
        passphrase: Passphrase of the network.
        is_filtered: Whether the items are those of a filter, not all of a ledger's.
    """

    @property
    def passphrase(self) -> str: ...  # noqa: D102

    @property
    def is_filtered(self) -> bool: ...  # noqa: D102

    def begin_batch(
        self, ledgers: LedgerRange, max_events: int, other_batches: int = 0
    ) -> BatchFetch:
        """Begin to fetch a batch; no call is made before its first step runs.

        Args:
            ledgers: The ledgers wanted.
            max_events: The batch ends with the first ledger after which it holds more.
            other_batches: Batches in flight beside this one, which share the workers.
        """

    def stop(self) -> None:
        """End calls in progress and refuse new ones, from any thread."""


class FetchedBatch(NamedTuple):
    """The items of a batch of whole ledgers."""

    ledgers: LedgerRange
    events: list[Event | Malformed]
    transactions: list[Transaction | Malformed]


def fetch_range(source: Source, ledgers: LedgerRange, max_events: int) -> Iterator[FetchedBatch]:
    """Fetch a range in the calling thread, batch by batch.

    Args:
        source: Where from.
        ledgers: The range.
        max_events: See `Source.begin_batch`.
    """
    rest: LedgerRange | None = ledgers
    while rest is not None:
        batch = source.begin_batch(rest, max_events)
        events: list[Event | Malformed] = []
        transactions: list[Transaction | Malformed] = []
        while steps := batch.next_steps():
            for step in steps:
                step.run()
                items = step.take()
                events += items.events
                transactions += items.transactions
        yield FetchedBatch(batch.ledgers, events, transactions)
        rest = batch.rest
