"""From where to where is a stream's chain proved: whole ledgers, each with the hash of the last.

What a hash proves reaches backwards: a header names the one before it. So a trusted hash, the
anchor, vouches for the ledgers of its run up to its own; those after it only build on it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Engine, text

from sorobanflow.ledgers import MAX_SHOWN_RANGES, Anchor, LedgerRange, split

#: Ledgers read by one query, which takes seconds.
CHUNK_LEDGERS = 500_000

#: The first and last ledgers of the runs; a run of one ledger is both.
_ENDS = text("""
SELECT sequence, NOT coalesce(is_next AND follows, false), NOT coalesce(goes_on, false),
    coalesce(is_next AND NOT follows, false)
FROM (
    SELECT l.sequence,
        lag(l.sequence) OVER chain = l.sequence - 1 AS is_next,
        lag(l.hash) OVER chain IS NOT DISTINCT FROM l.previous_hash AS follows,
        lead(l.sequence) OVER chain = l.sequence + 1
            AND lead(l.previous_hash) OVER chain IS NOT DISTINCT FROM l.hash AS goes_on
    FROM ledgers AS l WHERE l.proved AND l.sequence BETWEEN :first AND :last
    WINDOW chain AS (ORDER BY l.sequence)
) AS proved
WHERE NOT coalesce(is_next AND follows, false) OR NOT coalesce(goes_on, false)
ORDER BY sequence
""")
_HASH = text("SELECT hash FROM ledgers WHERE sequence = :ledger AND proved")


class Run(NamedTuple):
    """Consecutive whole ledgers, each following the one before it."""

    ledgers: LedgerRange
    is_break: bool = False  # its first does not follow the ledger before, which is proved as well


class Proof(NamedTuple):
    """The runs of a stream, ascending, and what they say of an anchor."""

    runs: tuple[Run, ...] = ()
    anchor: Anchor | None = None
    anchored_hash: str | None = None  # that the database holds for the anchor's ledger

    @property
    def breaks(self) -> list[int]:
        """Ledgers that do not follow the one before them."""
        return [run.ledgers.first for run in self.runs if run.is_break]

    @property
    def contradicts_anchor(self) -> bool:
        """Whether the database holds another hash than the anchor's."""
        known = self.anchored_hash
        return self.anchor is not None and known is not None and known != self.anchor.hash

    def lines(self) -> list[tuple[str, str]]:
        """Label and value per line, for a person; none where no ledger came whole."""
        lines = [("proved as whole ledgers", _runs_text(self.runs))] if self.runs else []
        if self.anchor is not None:
            lines.append(("anchor", self._anchored(self.anchor)))
        return lines

    def _anchored(self, anchor: Anchor) -> str:
        if self.contradicts_anchor:
            return f"ledger {anchor.ledger} has another hash: {self.anchored_hash}"
        run = next((run for run, _ in self.runs if run.holds(anchor.ledger)), None)
        if run is None or self.anchored_hash is None:
            return f"ledger {anchor.ledger} is not among the proved ledgers"
        vouched = f"it vouches for ledgers {LedgerRange(run.first, anchor.ledger)}"
        if run.last == anchor.ledger:
            return vouched
        return f"{vouched}; {LedgerRange(anchor.ledger + 1, run.last)} only build on it"


def read_proof(
    engine: Engine,
    covered: Iterable[LedgerRange],
    anchor: Anchor | None,
    on_chunk: Callable[[], object] = lambda: None,
) -> Proof:
    """Read the runs among ledgers that a stream covers; these ranges are ascending and disjoint."""
    runs: list[Run] = []
    before = None
    for chunk in split(covered, CHUNK_LEDGERS):
        # The last ledger of the chunk before leads over to this one.
        follows = before == chunk.first - 1
        for run in _read_runs(engine, chunk._replace(first=chunk.first - follows)):
            if runs and run.ledgers.first == runs[-1].ledgers.last:
                last, is_break = runs.pop()
                run = Run(LedgerRange(last.first, run.ledgers.last), is_break)
            runs.append(run)
        before = chunk.last
        on_chunk()
    return Proof(tuple(runs), anchor, None if anchor is None else _read_hash(engine, anchor.ledger))


def _read_runs(engine: Engine, ledgers: LedgerRange) -> Iterator[Run]:
    with engine.begin() as connection:
        ends = connection.execute(_ENDS, ledgers._asdict()).all()
    for ledger, is_first, is_last, breaks in ends:
        if is_first:
            first, is_break = ledger, breaks
        if is_last:
            yield Run(LedgerRange(first, ledger), is_break)


def _read_hash(engine: Engine, ledger: int) -> str | None:
    with engine.begin() as connection:
        return connection.execute(_HASH, {"ledger": ledger}).scalar()


def _runs_text(runs: tuple[Run, ...]) -> str:
    """Write the runs, each by itself: where two of them meet, the chain is broken."""
    parts = [str(run.ledgers) for run in runs]
    if len(parts) > MAX_SHOWN_RANGES:
        parts[MAX_SHOWN_RANGES // 2 : -MAX_SHOWN_RANGES // 2] = ["…"]
    count = sum(run.ledgers.size for run in runs)
    return f"{count:,} ({', '.join(parts)})"
