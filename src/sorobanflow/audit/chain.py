"""From where to where is a stream's chain proved: whole ledgers, each with the hash of the last.

What a hash proves reaches backwards: a header names the one before it. So a trusted hash, the
anchor, vouches for the ledgers of its run up to its own; those after it only build on it.
"""

from typing import NamedTuple

from sqlalchemy import Engine, text

from sorobanflow.ledgers import MAX_SHOWN_RANGES, Anchor, LedgerRange

#: Runs that are read; more than these mean that whole ledgers and others alternate.
MAX_RUNS = 1000

_RUNS = text("""
WITH proved AS (
    SELECT l.sequence, l.hash, l.previous_hash,
        lag(l.sequence) OVER before AS sequence_before, lag(l.hash) OVER before AS hash_before
    FROM ledgers AS l JOIN coverage AS c ON c.ledgers @> l.sequence
    WHERE c.stream = :stream AND l.proved AND l.sequence BETWEEN :first AND :last
    WINDOW before AS (ORDER BY l.sequence)
), linked AS (
    SELECT sequence, sequence_before IS NOT DISTINCT FROM sequence - 1 AS is_next,
        hash_before IS NOT DISTINCT FROM previous_hash AS follows
    FROM proved
), numbered AS (
    SELECT *, count(*) FILTER (WHERE NOT (is_next AND follows)) OVER (ORDER BY sequence) AS run
    FROM linked
)
SELECT min(sequence), max(sequence), bool_or(is_next AND NOT follows)
FROM numbered GROUP BY run ORDER BY 3 DESC, 1 LIMIT :max_runs
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


def read_proof(engine: Engine, stream: str, ledgers: LedgerRange, anchor: Anchor | None) -> Proof:
    """Read the runs of these ledgers that the stream covers; of too many, the breaks first."""
    values = {"stream": stream, **ledgers._asdict(), "max_runs": MAX_RUNS}
    with engine.begin() as connection:
        runs = connection.execute(_RUNS, values).all()
        known = None
        if anchor is not None:
            known = connection.execute(_HASH, {"ledger": anchor.ledger}).scalar()
    found = sorted(Run(LedgerRange(*ends), cut) for *ends, cut in runs)
    return Proof(tuple(found), anchor, known)


def _runs_text(runs: tuple[Run, ...]) -> str:
    """Write the runs, each by itself: where two of them meet, the chain is broken."""
    parts = [str(run.ledgers) for run in runs]
    if len(parts) > MAX_SHOWN_RANGES:
        parts[MAX_SHOWN_RANGES // 2 : -MAX_SHOWN_RANGES // 2] = ["…"]
    count = sum(run.ledgers.size for run in runs)
    more = " and more" if len(runs) == MAX_RUNS else ""
    return f"{count:,}{more} ({', '.join(parts)})"
