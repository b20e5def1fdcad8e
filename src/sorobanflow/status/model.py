"""What a status says, as values: `read` fills them, `health` judges, `report` shows.

Times are UTC. What could not be read is None or empty, and a problem says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from sorobanflow.ledgers import LedgerRange
from sorobanflow.texts import count

#: Ranges and gaps that a status lists, and ranges that a sentence names.
MAX_SHOWN, MAX_NAMED = 10, 6

#: How tags begin that name a database; see `database_tag`.
DATABASE_TAG = "database-"

_NETWORKS = {
    "Public Global Stellar Network ; September 2015": "pubnet",
    "Test SDF Network ; September 2015": "testnet",
    "Test SDF Future Network ; October 2022": "futurenet",
    "Standalone Network ; February 2017": "standalone",
    "Sorobanflow Devnet ; 2026": "devnet",
}


def network_name(passphrase: str) -> str | None:
    """Give the short name of a known network, such as pubnet; None for others."""
    return _NETWORKS.get(passphrase)


def database_tag(database_id: str) -> str:
    """Give the tag of Prefect's runs that use the database with this id."""
    return f"{DATABASE_TAG}{database_id[:8]}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong or worth knowing."""

    # One of node, database, schema, network, empty, behind, stalled, old, holes, lost, gap,
    # quarantine, unmoved and prefect.
    kind: str
    text: str  # what it is and what to do, for a person
    stream: str | None = None  # that it is about; None: not about a single one

    def __str__(self) -> str:
        return f"stream {self.stream}: {self.text}" if self.stream else self.text


@dataclass(frozen=True)
class Ranges:
    """`count` ranges of `ledgers` ledgers in total; of many, `shown` has those at both ends."""

    count: int = 0
    ledgers: int = 0
    shown: tuple[LedgerRange, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[LedgerRange]) -> Self:
        """Summarise ascending ranges."""
        shown = _ends(parts, MAX_SHOWN)
        return cls(len(parts), sum(part.size for part in parts), tuple(shown))

    def __str__(self) -> str:
        if not self.count:
            return "none"
        named = [str(part) for part in _ends(self.shown, MAX_NAMED)]
        many = self.count > len(named)
        if many:
            named.insert(len(named) // 2, "…")
        total = count(self.ledgers, "ledger") + (f" in {self.count:,} ranges" if many else "")
        return f"{total} ({', '.join(named)})"


def _ends(parts: Sequence[LedgerRange], size: int) -> Sequence[LedgerRange]:
    return parts if len(parts) <= size else [*parts[: size // 2], *parts[-size // 2 :]]


@dataclass(frozen=True)
class Node:
    """What the node says of itself."""

    passphrase: str
    network: str | None  # short name of a known network
    oldest_ledger: int
    latest_ledger: int  # the tip
    latest_closed_at: datetime | None


@dataclass(frozen=True)
class Gap:
    """Ledgers recorded as missing, with the reason and the time of the record."""

    ledgers: LedgerRange
    reason: str
    first_seen: datetime


@dataclass(frozen=True)
class Stream:
    """What a stream holds and lacks. A stream that was only backfilled has no lag or holes."""

    name: str  # `all`, or `filter-` and a digest
    filter: str | None = None  # of getEvents, as JSON; None: everything
    indexed_from: int | None = None  # first ledger of live indexing; None: only backfilled
    covered: Ranges = Ranges()
    covered_end: int | None = None
    closed_at: datetime | None = None  # when `covered_end` closed
    advanced_at: datetime | None = None  # when `covered_end` was stored
    lag_ledgers: int | None = None  # ledgers of the node above `covered_end`
    lag_s: float | None = None  # between the close of `covered_end` and that of the tip
    holes: Ranges = Ranges()  # to index, below `covered_end`, and the node has them
    lost: Ranges = Ranges()  # to index, but neither the node has them nor a gap records them
    gaps: Ranges = Ranges()
    gaps_at_node: Ranges = Ranges()  # gaps that the node has nevertheless
    newest_gaps: tuple[Gap, ...] = ()  # recorded last, newest first
    oldest_missing: int | None = None  # oldest ledger to index that the node has
    retention_left_s: float | None = None  # until the node drops `oldest_missing`


@dataclass(frozen=True)
class QuarantineCount:
    """Number of items in quarantine of one kind, fetched by one stream (None: not known)."""

    kind: str  # event, transaction or token_operation
    stream: str | None
    items: int
    newest: datetime  # when the last of them failed first

    def __str__(self) -> str:
        return f"{count(self.items, 'item')} of kind {self.kind}"


@dataclass(frozen=True)
class Quarantine:
    """What could not be decoded; `more`: there are more items than were counted."""

    counts: tuple[QuarantineCount, ...] = ()
    more: bool = False

    @property
    def items(self) -> int:
        """Number of items, of all kinds."""
        return sum(one.items for one in self.counts)


@dataclass(frozen=True)
class Archive:
    """What is in files of the archive, and whose rows are there only."""

    archived: Ranges = Ranges()
    size_bytes: int = 0
    dropped: Ranges = Ranges()


@dataclass(frozen=True)
class Database:
    """What the database says of itself."""

    name: str | None = None
    size_bytes: int | None = None
    revision: str | None = None  # of the schema; None: there are no tables
    passphrase: str | None = None  # of the network it is pinned to
    rows: Mapping[str, int | None] = field(default_factory=dict)  # estimates; None: no estimate
    seconds_per_ledger: float | None = None  # between closes, as stored
    streams: tuple[Stream, ...] = ()
    quarantine: Quarantine = Quarantine()
    archive: Archive = Archive()
    unmoved: int | None = None  # rows of an older release, an estimate; None: all are moved
    id: str | None = None  # that its runs are tagged with; None: no run has used it yet


@dataclass(frozen=True)
class Run:
    """A flow run, as Prefect describes it."""

    flow: str
    name: str
    state: str
    started_at: datetime | None
    seconds: float | None  # how long it ran, or has run so far


@dataclass(frozen=True)
class Status:
    """The state of everything at one moment."""

    read_at: datetime
    program_revision: str  # the schema's revision that this program needs
    endpoint: str  # the node's scheme, host and port
    node: Node | None  # None: not reached
    database: Database | None  # None: not reached
    runs: tuple[Run, ...] | None = None  # None: Prefect was not asked
    problems: tuple[Problem, ...] = ()  # what is wrong
    notes: tuple[Problem, ...] = ()  # what is worth knowing and cannot be changed

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
