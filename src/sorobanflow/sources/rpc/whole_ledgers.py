"""Whole ledgers of a node (getLedgers) as a source.

Implements `sources.source`: one round of steps, each a part of the batch's ledgers. Which
ledgers the node has is asked, not read off: with a data store behind it, it answers below
its `oldestLedger`. Invariant: each ledger comes once, in order; that a ledger is what it
claims to be is the decoder's to prove.
"""

from typing import Literal

from sorobanflow.errors import (
    LedgerOutsideRetentionError,
    RpcProtocolError,
    RpcRequestError,
    SorobanflowError,
)
from sorobanflow.ledgers import FIRST_LEDGER, LedgerRange, cut
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import LedgerObject
from sorobanflow.sources.one_round import OneRound
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.jsonrpc import range_error
from sorobanflow.sources.rpc.wire import LedgersPage
from sorobanflow.sources.source import Available, Fetched, FetchedItems

METHOD = "getLedgers"
METHOD_NOT_FOUND = -32601


class LedgersSource:
    """A node; the ledgers of a batch are shared out among the client's workers."""

    def __init__(
        self, client: RpcClient, passphrase: str, event_filter: EventFilter | None = None
    ) -> None:
        self.client = client
        self.passphrase = passphrase
        self.event_filter = event_filter
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
        """Ask which ledgers it has; for older ones than it states, if they are wanted."""
        stated = self._stated()
        if wanted is None or wanted.first >= stated.oldest:
            return stated
        try:
            page = self.client.get_ledgers(wanted.first, limit=1)
        except LedgerOutsideRetentionError as refusal:
            return stated._replace(oldest=refusal.oldest)
        if not page.ledgers or page.ledgers[0].sequence != wanted.first:
            raise _refusal(page, wanted.first)
        return stated._replace(oldest=wanted.first)

    def _stated(self) -> Available:
        """Give what getHealth states, or a page of getLedgers where that is all there is."""
        try:
            return self.client.get_health().available
        except RpcRequestError as error:
            if error.code != METHOD_NOT_FOUND:
                raise
        try:
            page = self.client.get_ledgers(FIRST_LEDGER, limit=1)
        except LedgerOutsideRetentionError as refusal:
            page = self.client.get_ledgers(refusal.oldest, limit=1)
        return Available(page.oldest_ledger, page.latest_ledger)

    def begin_batch(
        self, ledgers: LedgerRange, max_events: int, other_batches: int = 0
    ) -> OneRound:
        """Begin to fetch a batch, of all the ledgers: their events are not known before."""
        parts = cut(ledgers, -(-self.client.max_workers // (other_batches + 1)))
        return OneRound(ledgers, [LedgersStep(self.client, part) for part in parts])

    def stop(self) -> None:
        """End calls in progress and refuse new ones."""
        self.client.stop()


class LedgersStep:
    """Fetches consecutive ledgers; after an error it goes on with the first that is missing."""

    kind: Literal["fetch-ledgers"] = "fetch-ledgers"

    def __init__(self, client: RpcClient, ledgers: LedgerRange) -> None:
        self.label = str(ledgers)
        self._client = client
        self._last = ledgers.last
        self._next = ledgers.first
        self._objects: list[LedgerObject] = []

    def run(self) -> Fetched:
        """Fetch what is still missing.

        Raises:
            NodeBehindError: the node does not have a ledger yet.
            LedgerOutsideRetentionError: it no longer has one.
        """
        while self._next <= self._last:
            page = self._client.get_ledgers(self._next, limit=self._last - self._next + 1)
            self._keep(page)
        return Fetched(0, 0, sum(one.size_bytes for one in self._objects))

    def take(self) -> FetchedItems:
        """Hand the ledgers over."""
        objects, self._objects = self._objects, []
        return FetchedItems([], [], objects)

    def _keep(self, page: LedgersPage) -> None:
        """Keep the ledgers that follow; one that the page leaves out is asked for again."""
        first = self._next
        for ledger in page.ledgers or ():
            if ledger.sequence != self._next or self._next > self._last:
                break
            number = LedgerRange(ledger.sequence, ledger.sequence)
            name = f"{METHOD} {ledger.sequence}"
            self._objects.append(LedgerObject(name, number, ledger.metadata_xdr, is_batch=False))
            self._next += 1
        if self._next == first:
            raise _refusal(page, first)


def _refusal(page: LedgersPage, first: int) -> SorobanflowError:
    """Make the error of a page that does not start with the ledger that was asked for."""
    if not page.ledgers:
        return range_error(METHOD, first, page.oldest_ledger, page.latest_ledger)
    return RpcProtocolError(
        f"{METHOD}: the page starts with ledger {page.ledgers[0].sequence}; expected {first}, as "
        "was asked for. Use another node"
    )
