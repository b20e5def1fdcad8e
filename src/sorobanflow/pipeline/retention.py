"""For how long the node still has what a stream lacks. Audit and status report it."""

from typing import NamedTuple

from sqlalchemy import Engine, text

from sorobanflow.texts import duration

#: Newest ledgers that live indexing may still lack: a minute.
LEDGERS_OF_LAG = 12
#: Stored ledgers over which the time between closes is measured: an hour and a half.
MEASURED_LEDGERS = 1000


class RetentionClock(NamedTuple):
    """How long until the node drops the oldest ledger to repair."""

    ledger: int | None  # to repair; None: there is none
    oldest: int  # the node's
    seconds_per_ledger: float | None  # between two closes; None: not known

    @property
    def seconds_left(self) -> float | None:
        """Seconds left; None: nothing to repair, or the time between closes is not known."""
        if self.ledger is None or self.seconds_per_ledger is None:
            return None
        return (self.ledger - self.oldest) * self.seconds_per_ledger

    def __str__(self) -> str:
        if self.ledger is None:
            return "nothing to repair that the node still has"
        left = self.seconds_left
        time_left = "an unknown time" if left is None else duration(left)
        return f"{time_left} until ledger {self.ledger} leaves the node (oldest: {self.oldest})"


def seconds_per_ledger(engine: Engine) -> float | None:
    """Measure the time between closes of the newest stored ledgers; None if there are too few."""
    query = text(
        "SELECT extract(epoch FROM max(closed_at) - min(closed_at))::float "
        "/ nullif(max(sequence) - min(sequence), 0) FROM "
        "(SELECT sequence, closed_at FROM ledgers ORDER BY sequence DESC LIMIT :limit) AS newest"
    )
    with engine.begin() as connection:
        return connection.execute(query, {"limit": MEASURED_LEDGERS}).scalar() or None
