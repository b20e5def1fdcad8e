"""The interface of a source: where ledgers come from, as the pipeline sees it.

The pipeline runs the steps of a round side by side, each as a task, and asks for the
next round when all of them have ended. Invariant: when there is no further round, the
batch holds every item of its ledgers that the source was asked for, and the source's
answers have proved it.

    batch = source.begin_batch(LedgerRange(100, 199), max_events=2000)
    while steps := batch.next_steps():
        for step in steps:
            step.run()
            items = step.take()

The tests of this interface are in `tests/integration/test_source_conformance.py`.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, LedgerObject, Malformed, Transaction

StepKind = Literal["fetch-events", "fetch-transactions", "fetch-ledgers"]


class Fetched(NamedTuple):
    """What a step fetched, in figures: numbers of items, and bytes of their XDR."""

    events: int
    transactions: int
    size_bytes: int


class FetchedItems(NamedTuple):
    """Items of a batch in chain order, as `rows` takes them; or whole ledgers in their place."""

    events: Sequence[Event | Malformed]
    transactions: Sequence[Transaction | Malformed]
    objects: Sequence[LedgerObject] = ()


class Available(NamedTuple):
    """The ledgers that a source has, both included; when the newest closed, if it says so."""

    oldest: int
    newest: int
    closed_at: int | None = None  # Unix seconds

    def refuse_above(self, name: str, ledger: int) -> None:
        """Refuse a parameter that names a ledger to come; raises ConfigurationError."""
        if ledger > self.newest:
            raise ConfigurationError(
                f"{name} {ledger} is above the source's newest ledger {self.newest}; it has "
                f"{self.oldest} to {self.newest}, and the flow index indexes those to come"
            )


class FetchStep(Protocol):
    """Part of fetching a batch that runs as one task."""

    @property
    def kind(self) -> StepKind:
        """Name of the task."""

    @property
    def label(self) -> str:
        """What the step works on, for the name of the task run."""

    def run(self) -> Fetched:
        """Fetch, and keep the items; called again after an error, it continues where it was.

        Raises:
            RetriableError: the source may answer later.
            LedgerOutsideRetentionError: the source no longer has a ledger of the batch.
        """

    def take(self) -> FetchedItems:
        """Hand the items over; the step keeps none of them."""


class BatchFetch(Protocol):
    """The fetching of one batch."""

    @property
    def ledgers(self) -> LedgerRange:
        """Ledgers of the batch; the first round may end it earlier, where they hold too much."""

    @property
    def rest(self) -> LedgerRange | None:
        """The requested ledgers that the batch leaves out, if any."""

    def next_steps(self) -> Sequence[FetchStep]:
        """Give the steps of the next round; none when everything was fetched.

        Called again when all steps of the last round have run and their items were taken.
        """


class Source(Protocol):
    """Where ledgers come from; shared by the pipelines and threads of a run."""

    @property
    def passphrase(self) -> str:
        """Passphrase of the network."""

    @property
    def event_filter(self) -> EventFilter | None:
        """The filter that selects items; of whole ledgers, who decodes them does it. None: all."""

    @property
    def address(self) -> str:
        """Where it is, for logs and messages: without secrets."""

    @property
    def last_failure(self) -> str:
        """Why the last attempt of a call failed; empty if one has succeeded since."""

    @property
    def ledgers_per_object(self) -> int:
        """Ledgers that are always fetched together; each such group starts at a multiple of it."""

    def available(self, wanted: LedgerRange | None = None) -> Available:
        """Ask which ledgers it has now.

        `wanted` is what somebody wants of it: a source that does not know its ends, or has
        more than it says, asks for the ends of this range, and gives what it has of it.

        Raises:
            RetriableError: it may answer later, or has no ledger yet.
            LedgerMissingError: it has none, as far as can be asked.
        """

    def begin_batch(
        self, ledgers: LedgerRange, max_events: int, other_batches: int = 0
    ) -> BatchFetch:
        """Begin to fetch a batch; no call is made before its first step runs.

        Args:
            ledgers: The ledgers wanted; the batch ends earlier, after the first ledger with
                which it holds more than `max_events`. Whole ledgers are not counted: it has all.
            other_batches: Batches in flight beside this one, which share the workers.
        """

    def stop(self) -> None:
        """End calls in progress and refuse new ones, from any thread."""


def fetch_batch(batch: BatchFetch) -> FetchedItems:
    """Fetch all of a batch in the calling thread; for the errors see `FetchStep.run`."""
    events: list[Event | Malformed] = []
    transactions: list[Transaction | Malformed] = []
    objects: list[LedgerObject] = []
    while steps := batch.next_steps():
        for step in steps:
            step.run()
            items = step.take()
            events += items.events
            transactions += items.transactions
            objects += items.objects
    return FetchedItems(events, transactions, objects)
