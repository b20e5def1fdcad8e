"""The parameters of the flow `index`."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from flows.parameters.shared import (
    CONFIG,
    DEFAULT_BLOCK,
    STALL_S,
    ContractIds,
    DatabaseBlock,
    Events,
    Ledger,
    OfFilter,
    RpcBlock,
    StallSeconds,
    Topics,
    Workers,
)
from sorobanflow.ledgers import LEDGERS_BEHIND_TIP


@dataclass(frozen=True, config=CONFIG)
class Index(OfFilter):
    """Index from the end of coverage to the tip of the chain.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`; writes every
    table. A second run does only what is new; a crash half-way loses the
    batches in flight, and the next run does them again.
    """

    start_ledger: Ledger | Literal["oldest", "latest"] | None = None
    """First ledger of the stream: a number, "oldest" or "latest" (of the node). Empty: continue
    where coverage ends; the very first run starts 120 ledgers behind the tip. An earlier start
    extends the stream backwards; a later one changes nothing."""
    follow_s: Annotated[float, Field(ge=0, le=86_400)] = 0
    """Seconds to follow the tip after reaching it. A run of a schedule follows until the next
    one takes over, if that comes earlier."""
    contract_ids: ContractIds = None
    topics: Topics = None
    events: Events = None
    source: Literal["rpc", "ledgers"] = "rpc"
    """What is read of the node: "rpc", its events and transactions, or "ledgers", its whole
    ledgers (getLedgers), proved by their hashes."""
    rpc: RpcBlock = DEFAULT_BLOCK
    database: DatabaseBlock = DEFAULT_BLOCK
    allow_gap: bool = False
    """If the node no longer has an earlier start_ledger, record the missing ledgers as a gap
    instead of refusing the run. Ledgers that leave the node before they were indexed are always
    recorded; the run then ends as Incomplete."""
    max_lag_ledgers: Annotated[int, Field(ge=0)] | None = LEDGERS_BEHIND_TIP
    """How many ledgers the stream may lag behind the node at the end; with a larger lag the run
    ends as Incomplete. The default is ten minutes of ledgers, as far behind as a first run
    starts. Empty: any lag."""
    stall_s: StallSeconds | None = STALL_S
    """Seconds without a committed batch after which the run fails, whatever it waits for: the
    node, the database, or the next ledger. A run with nothing to do fails too if the stream's
    newest ledger was stored that long ago, since the network closes a ledger every five seconds.
    Empty: never; for a recording, which has an end."""
    max_workers: Workers | None = None
    """Maximum of concurrent calls to the node. Empty: the block's."""
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Target number of events and transactions per database transaction. Empty: the block's,
    which adapts to the time that writing takes."""
    fetch_plan: Literal["auto", "ledgers", "hashes"] = "auto"
    """How to fetch transactions: "ledgers" (getTransactions), "hashes" (getTransaction, batched)
    or "auto"."""

    def __post_init__(self) -> None:
        """Refuse a filter that no node accepts."""
        self.event_filter  # noqa: B018 - raises if it is not valid
