"""Where a run's ledgers come from: events and transactions of a node, or whole ledgers.

Whole ledgers come from the same node, or from a data lake; then no node is needed at all.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from blocks import DataLake, StellarRpc
from blocks.documents import load_block
from blocks.rate_limit import shared_rate
from flows.harness.patience import PREFECT, Patience
from sorobanflow.decode.event_search import EventSearch
from sorobanflow.errors import ConfigurationError, RpcRequestError, UnknownHostError
from sorobanflow.ledgers import Anchor, LedgerRange
from sorobanflow.pipeline.sizer import BatchBounds
from sorobanflow.records import Hook
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.planner import FetchPlan, TransactionPlanner
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.rpc.whole_ledgers import LedgersSource
from sorobanflow.sources.source import Source

#: What a node gives: its events and transactions, or its whole ledgers.
NodeSource = Literal["rpc", "ledgers"]


@dataclass(frozen=True)
class Settings:
    """What a flow's parameters say about indexing; None: what the block says.

    A `batch_size` that is given stays; the block's adapts within its bounds.
    `source` is a `NodeSource`, or the name of a data-lake block.
    """

    rpc: str
    database: str
    event_filter: EventFilter | None = None
    fetch_plan: FetchPlan = "auto"
    batch_size: int | None = None
    max_workers: int | None = None
    source: str = "rpc"
    anchor: Anchor | None = None

    def anchor_in(self, ledgers: LedgerRange) -> str | None:
        """Give the anchor as a flow's parameter, if its ledger is one of these."""
        if self.anchor is None or not ledgers.holds(self.anchor.ledger):
            return None
        return str(self.anchor)


class OpenedSource(NamedTuple):
    """A source, and what its block says about using it."""

    source: Source
    client: RpcClient | None  # of the node, if it is one
    workers: int  # concurrent steps
    bounds: BatchBounds
    processes: int  # that decode


@contextmanager
def open_source(settings: Settings, hook: Hook, patience: Patience) -> Iterator[OpenedSource]:
    """Open the source that the settings name; `patience` may cut it off.

    Raises:
        ConfigurationError: the source's block or address or the filter is wrong.
    """
    _check(settings)
    with ExitStack() as stack:
        if settings.source in ("rpc", "ledgers"):
            yield _open_node(settings, hook, patience, stack)
        else:
            yield _open_lake(settings, hook, patience, stack)


def _check(settings: Settings) -> None:
    if settings.source == "rpc":
        if settings.anchor is not None:
            raise ConfigurationError(
                "an anchor needs whole ledgers, and the source 'rpc' gives events and "
                "transactions; use the source 'ledgers' or a data lake, or leave the anchor out"
            )
    elif settings.event_filter is not None:
        EventSearch(settings.event_filter)
        if settings.anchor is not None:
            raise ConfigurationError(
                "an anchor vouches for the ledgers before it by the stored hashes, and a stream "
                "of contract_ids or topics stores none; leave the anchor out, or the filter"
            )


def _open_node(
    settings: Settings, hook: Hook, patience: Patience, stack: ExitStack
) -> OpenedSource:
    node = patience.retry(PREFECT, lambda: load_block(StellarRpc, settings.rpc))
    workers = settings.max_workers or node.max_workers
    is_filtered, is_whole = settings.event_filter is not None, settings.source == "ledgers"
    plan = None
    if not is_whole:  # before the node is asked: it refuses what does not fit together
        plan = TransactionPlanner(settings.fetch_plan, is_filtered, workers, node.batch_calls)
    rate = None
    if node.max_requests_per_s:
        name = f"stellar-rpc-{settings.rpc}"
        rate = stack.enter_context(shared_rate(name, node.max_requests_per_s))
    client = stack.enter_context(node.client(hook, workers, rate))
    stack.enter_context(patience.watching(client))
    passphrase = node.network_passphrase or patience.retry(
        "the node to name its network", partial(_network, client)
    )
    source: Source
    if plan is None:
        source = LedgersSource(client, passphrase, settings.event_filter)
    else:
        source = RpcSource(client, passphrase, settings.event_filter, plan)
    bounds = _bounds(settings.batch_size, node.batch_bounds())
    return OpenedSource(source, client, workers, bounds, node.processes(is_whole))


def _open_lake(
    settings: Settings, hook: Hook, patience: Patience, stack: ExitStack
) -> OpenedSource:
    lake = patience.retry(PREFECT, lambda: load_block(DataLake, settings.source))
    workers = settings.max_workers or lake.max_workers
    client = stack.enter_context(lake.client(hook, workers))
    stack.enter_context(patience.watching(client))
    source = patience.retry(
        "the data lake to name its network", lambda: lake.source(client, settings.event_filter)
    )
    bounds = _bounds(settings.batch_size, lake.batch_bounds())
    return OpenedSource(source, None, workers, bounds, lake.processes())


def _network(client: RpcClient) -> str:
    try:
        return client.get_network().passphrase
    except UnknownHostError as error:
        raise ConfigurationError(f"{error}; check the URL of the stellar-rpc block") from error
    except RpcRequestError as error:
        raise ConfigurationError(
            f"the node does not name its network: {error}; set network_passphrase of the "
            "stellar-rpc block"
        ) from error


def _bounds(batch_size: int | None, bounds: BatchBounds) -> BatchBounds:
    """Have batches keep the size that is given."""
    if batch_size is None:
        return bounds
    return BatchBounds(batch_size, batch_size, batch_size, bounds.max_bytes)
