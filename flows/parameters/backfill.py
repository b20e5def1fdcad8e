"""The parameters of the flows `backfill` and `backfill-range`."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from flows.parameters.shared import (
    CONFIG,
    DEFAULT_BLOCK,
    STALL_S,
    AnchorText,
    AnySource,
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
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import Anchor, LedgerRange, parse_anchor


class _OfRange(OfFilter):
    """What both flows read of their range and its anchor, besides the filter."""

    start_ledger: int
    end_ledger: int
    anchor: str | None

    @property
    def ledgers(self) -> LedgerRange:
        """The range; ConfigurationError if it is empty."""
        return ledger_range(self.start_ledger, self.end_ledger)

    @property
    def trusted(self) -> Anchor | None:
        """The anchor; ConfigurationError if it is of no ledger of the range."""
        return read_anchor(self.anchor, self.ledgers)


@dataclass(frozen=True, config=CONFIG)
class Backfill(_OfRange):
    """Index what coverage lacks of a closed ledger range.

    Reads the blocks `stellar-rpc` or `data-lake`, and `sorobanflow-database`;
    writes every table. A second run indexes only what is still missing; a crash loses the
    batches in flight, and the next run indexes them again. A chunk that fails
    does not stop the others; the run then fails at its end and names the ledgers.
    """

    start_ledger: Ledger
    """First ledger to index."""
    end_ledger: Ledger
    """Last ledger to index; the source must have it already."""
    source: AnySource = "rpc"
    dry_run: bool = False
    """Write nothing; show the plan and an estimate of what it takes."""
    contract_ids: ContractIds = None
    topics: Topics = None
    events: Events = None
    rpc: RpcBlock = DEFAULT_BLOCK
    database: DatabaseBlock = DEFAULT_BLOCK
    force: bool = False
    """Index the covered ledgers of the range as well. Without a filter, the rows of the range are
    replaced: those that its ledgers do not make are removed."""
    anchor: AnchorText = None
    allow_gap: bool = False
    """If the source no longer has ledgers of the range, record them as a gap instead of refusing
    the run. Ledgers that leave the node while the run works, and objects that a data lake lacks,
    are always recorded; the run then ends as Incomplete."""
    fan_out: Literal["here", "deployments"] = "here"
    """Where chunks are indexed: "here", in this process, or with "deployments" each as a run of
    `backfill-range`, on any of Prefect's workers."""
    max_workers: Workers | None = None
    """Maximum number of concurrent calls to the source, per process. Empty: the block's."""
    chunk_ledgers: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Ledgers per chunk. Several chunks are indexed at the same time, oldest ledgers first,
    because the node drops those first."""
    stall_s: StallSeconds = STALL_S
    """Seconds without a committed batch after which the run fails, whatever it waits for: the
    source or the database. With "deployments" it holds for the run of each chunk; one that does
    not end by itself counts as crashed and is started again."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        self.event_filter  # noqa: B018 - raises if it is not valid
        self.trusted  # noqa: B018 - raises if it is not valid
        if self.force and self.fan_out != "here":
            # Their progress is read from coverage, which does not grow.
            raise ConfigurationError("force works with fan_out 'here' only; leave one of them out")


@dataclass(frozen=True, config=CONFIG)
class BackfillRange(_OfRange):
    """Index what coverage lacks of one chunk; `backfill` starts these runs.

    Reads the blocks `stellar-rpc` or `data-lake`, and `sorobanflow-database`;
    writes every table. A second run, even at the same time, indexes what is missing and
    changes nothing else; a crash loses the batches in flight.
    """

    start_ledger: Ledger
    """First ledger of the chunk."""
    end_ledger: Ledger
    """Last ledger of the chunk; the source must have it already."""
    source: AnySource = "rpc"
    contract_ids: ContractIds = None
    topics: Topics = None
    events: Events = None
    rpc: RpcBlock = DEFAULT_BLOCK
    database: DatabaseBlock = DEFAULT_BLOCK
    anchor: AnchorText = None
    allow_gap: bool = False
    """If the source no longer has ledgers of the chunk, record them as a gap instead of refusing
    the run; `backfill`, which has checked them, sets it."""
    max_workers: Workers | None = None
    """Maximum number of concurrent calls to the source. Empty: the block's."""
    stall_s: StallSeconds = STALL_S
    """Seconds without a committed batch after which the run fails, whatever it waits for: the
    source or the database."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        self.event_filter  # noqa: B018 - raises if it is not valid
        self.trusted  # noqa: B018 - raises if it is not valid


def ledger_range(start_ledger: int, end_ledger: int) -> LedgerRange:
    """Give the range that two parameters name; ConfigurationError if it is empty."""
    if start_ledger > end_ledger:
        raise ConfigurationError(
            f"start_ledger {start_ledger} is above end_ledger {end_ledger}; swap them"
        )
    return LedgerRange(start_ledger, end_ledger)


def read_anchor(given: str | None, of: LedgerRange) -> Anchor | None:
    """Read the anchor that a flow was given for a range.

    Raises:
        ConfigurationError: it is not `ledger:hash`, or of no ledger of the range.
    """
    anchor = parse_anchor(given) if given else None
    if anchor is not None and not of.holds(anchor.ledger):
        raise ConfigurationError(
            f"the anchor's ledger {anchor.ledger} is not in the range {of}; give the hash of "
            "one of its ledgers, best of the last: it vouches for all before it"
        )
    return anchor
