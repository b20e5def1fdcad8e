"""The parameters of the flow `audit`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from flows.parameters.backfill import ledger_range
from flows.parameters.shared import (
    CONFIG,
    DEFAULT_BLOCK,
    STALL_S,
    BlockName,
    DatabaseBlock,
    Ledger,
    OfFilter,
    RpcBlock,
    StallSeconds,
)
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import Anchor, parse_anchor


@dataclass(frozen=True, config=CONFIG)
class Audit(OfFilter):
    """Find what a stream lacks and where it differs from the node; repair it if asked.

    Reads the blocks `stellar-rpc` and `sorobanflow-database`. Without `repair` it
    writes only what audits remember of event shapes. With `repair` it indexes missing
    and differing ledgers, those first that the node drops first, and for the stream of
    everything removes rows that these ledgers do not make; records as gaps what
    neither the node nor `lake` has; replays the quarantine; looks again. A second run
    finds what is still wrong; a crash half-way loses the batches in flight. The run ends as
    Incomplete (in a terminal: exit code 1) if ledgers are missing or differ at the end,
    if the chain of whole ledgers is broken, if anything failed, or if it recorded a gap
    or put items in quarantine.
    """

    start_ledger: Ledger | None = None
    """First ledger to audit. Empty: the stream's first."""
    end_ledger: Ledger | None = None
    """Last ledger to audit. Empty: the newest covered, or a minute before the tip."""
    repair: bool = False
    """Repair what was found."""
    sample: Annotated[int, Field(ge=0)] | Literal["all"] = 20
    """Covered ledgers to compare, evenly spaced over those that the node still has, the newest
    included; "all" compares each of them. Of a compared ledger, all rows are made again and
    compared. Files of the archive are looked for; "all" reads them through."""
    lake: Annotated[str | None, BlockName("data-lake")] = None
    """A data-lake block: repair asks it for what the node no longer has, gaps and missing
    ledgers, of the stream of everything. Files of the archive in a bucket are looked for with its
    credentials. Empty: none, and the environment's credentials."""
    contract_ids: list[str] | None = None
    """Audit the stream of these contracts. Empty: of everything."""
    topics: list[list[str]] | None = None
    """Audit the stream of these topics, as given to the flow index."""
    events: list[str] | None = None
    """Audit the stream of these events, as given to the flow index."""
    rpc: RpcBlock = DEFAULT_BLOCK
    database: DatabaseBlock = DEFAULT_BLOCK
    anchor: str | None = None
    """A ledger and its hash that you trust, as `ledger:hash`. The summary says for which of the
    ledgers that came whole it vouches. Another hash is a finding."""
    stall_s: StallSeconds = STALL_S
    """Seconds without progress after which the run fails, whatever it waits for: the node or the
    database. Progress is a chunk of ledgers that was compared, a batch that was committed, an
    item that was decoded again. Raise it if the state tables are so large that reading one
    through takes longer."""
    metrics_file: Path | None = None
    """Write the figures here, for node_exporter's textfile collector."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if self.event_filter and self.lake:
            raise ConfigurationError("a lake repairs the stream of everything only; leave one out")
        if self.start_ledger and self.end_ledger:
            ledger_range(self.start_ledger, self.end_ledger)
        self.trusted  # noqa: B018 - raises if it is not valid

    @property
    def trusted(self) -> Anchor | None:
        """The anchor; ConfigurationError if it is not `ledger:hash`."""
        return None if self.anchor is None else parse_anchor(self.anchor)
