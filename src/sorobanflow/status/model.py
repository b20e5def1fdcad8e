"""What a status says, as values: filled by `read`, judged by `health`, shown by `report`.

Everything is bounded: of what may be long, here is an end of it and a count.
Times are UTC. What could not be read is None or empty, and a problem says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sorobanflow.ledgers import LedgerRange

#: Ranges, gaps and streams that are shown of many.
SHOWN = 10
SHOWN_STREAMS = 20

_NETWORKS = {
    "Public Global Stellar Network ; September 2015": "pubnet",
    "Test SDF Network ; September 2015": "testnet",
    "Test SDF Future Network ; October 2022": "futurenet",
    "Standalone Network ; February 2017": "standalone",
    "Sorobanflow Devnet ; 2026": "devnet",
}


def network_name(passphrase: str) -> str | None:
    """Give the name by which a network is known; None: not a known one."""
    return _NETWORKS.get(passphrase)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth knowing.

    Attributes:
        kind: node, database, schema, network, empty, behind, stalled, holes, lost,
            gap, quarantine or prefect.
        text: What it is and what helps, for a person.
        stream: The stream that it concerns; None: all.
    """

    kind: str
    text: str
    stream: str | None = None


@dataclass(frozen=True)
class Ranges:
    """`count` ranges of `ledgers` ledgers in all, of which some are shown."""

    count: int = 0
    ledgers: int = 0
    shown: tuple[LedgerRange, ...] = ()

    @classmethod
    def first_of(cls, parts: Sequence[LedgerRange]) -> Self:
        """Show the first."""
        return cls(len(parts), sum(part.size for part in parts), tuple(parts[:SHOWN]))

    @classmethod
    def last_of(cls, parts: Sequence[LedgerRange]) -> Self:
        """Show the last."""
        return cls(len(parts), sum(part.size for part in parts), tuple(parts[-SHOWN:]))


@dataclass(frozen=True)
class Node:
    """What the node says of itself.

    Attributes:
        passphrase: Of its network.
        network: The name by which that is known, such as pubnet or testnet, if it is.
        oldest_ledger: The oldest ledger that it has.
        latest_ledger: The newest, the tip.
        latest_closed_at: When the tip closed, None: not known.
    """

    passphrase: str
    network: str | None
    oldest_ledger: int
    latest_ledger: int
    latest_closed_at: datetime | None


@dataclass(frozen=True)
class Gap:
    """Ledgers recorded as missing: why, and when that was recorded."""

    ledgers: LedgerRange
    reason: str
    first_seen: datetime


@dataclass(frozen=True)
class Stream:
    """What a stream holds and lacks.

    Attributes:
        name: `all`, or `filter-` and a digest.
        filter: The filter of getEvents as JSON; None: everything.
        indexed_from: The first ledger that live indexing promised; None: only ever
            backfilled, so neither lag nor holes are work.
        covered: Ledgers stored whole.
        covered_end: The newest of them.
        advanced_at: When `covered_end` was stored; None: not known.
        lag_ledgers: Ledgers of the node above `covered_end`.
        lag_s: Between the close of `covered_end` and that of the tip, in seconds.
        holes: Ledgers below `covered_end` that are work, and that the node has.
        lost: Ledgers that are work, that the node no longer has and that no gap names.
        gaps: Ledgers recorded as a gap.
        gaps_at_node: Of these, those that the node has after all.
        newest_gaps: The gaps recorded last, newest first.
        oldest_missing: The oldest ledger that is work and that the node has.
        retention_left_s: Seconds until the node no longer has `oldest_missing`.
    """

    name: str
    filter: str | None = None
    indexed_from: int | None = None
    covered: Ranges = Ranges()
    covered_end: int | None = None
    advanced_at: datetime | None = None
    lag_ledgers: int | None = None
    lag_s: float | None = None
    holes: Ranges = Ranges()
    lost: Ranges = Ranges()
    gaps: Ranges = Ranges()
    gaps_at_node: Ranges = Ranges()
    newest_gaps: tuple[Gap, ...] = ()
    oldest_missing: int | None = None
    retention_left_s: float | None = None


@dataclass(frozen=True)
class QuarantineCount:
    """Items of a kind in quarantine.

    Attributes:
        kind: event, transaction or token_operation.
        stream: The stream that fetched them; None: not known.
        items: How many.
        newest: When the last of them failed first.
    """

    kind: str
    stream: str | None
    items: int
    newest: datetime


@dataclass(frozen=True)
class Quarantine:
    """What could not be decoded; with `more`, beyond what was counted."""

    counts: tuple[QuarantineCount, ...] = ()
    more: bool = False

    @property
    def items(self) -> int:
        """How many."""
        return sum(one.items for one in self.counts)


@dataclass(frozen=True)
class Table:
    """A table, and about how many rows the server's statistics say it has; None: not yet."""

    name: str
    rows: int | None


@dataclass(frozen=True)
class Database:
    """What the database says of itself.

    Attributes:
        name: Its name on the server.
        size_bytes: All of it, on disk.
        revision: Of its schema; None: it has no tables.
        passphrase: Of the network that it is pinned to; None: to none yet.
        tables: Each of the program's tables.
        seconds_per_ledger: Between closes, as stored; None: not known.
        streams: Each stream of coverage, by name.
        more_streams: Whether there are more than are shown.
        quarantine: What could not be decoded.
    """

    name: str | None = None
    size_bytes: int | None = None
    revision: str | None = None
    passphrase: str | None = None
    tables: tuple[Table, ...] = ()
    seconds_per_ledger: float | None = None
    streams: tuple[Stream, ...] = ()
    more_streams: bool = False
    quarantine: Quarantine = Quarantine()


@dataclass(frozen=True)
class Run:
    """A flow run, as Prefect tells of it.

    Attributes:
        flow: Name of the flow.
        name: Name of the run.
        state: Name of its state.
        started_at: When it started; None: not yet.
        seconds: How long it ran, or has run so far.
    """

    flow: str
    name: str
    state: str
    started_at: datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Status:
    """How everything is at one moment.

    Attributes:
        read_at: When it was read.
        program_revision: The schema's revision that this program writes.
        endpoint: The node's scheme, host and port.
        node: None: it could not be asked.
        database: None: it could not be asked.
        runs: The last runs; None: no Prefect API was asked.
        problems: What is wrong; empty: all is well.
        notes: What is worth knowing and nobody can change, such as old gaps.
    """

    read_at: datetime
    program_revision: str
    endpoint: str
    node: Node | None
    database: Database | None
    runs: tuple[Run, ...] | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
