"""What the scheduled runs of live indexing remember of a stream, in `live_streams`.

A run that is ready takes the stream over from the one before it; each compares the health
that it found with the one before. Invariant: nothing here decides what is stored, for which
two runs at the same time do no harm.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, text


def take_over(engine: Engine, stream: str, run: str) -> None:
    """Make a run the one that indexes the stream."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO live_streams (stream, run) VALUES (:stream, :run) "
                "ON CONFLICT (stream) DO UPDATE SET run = excluded.run"
            ),
            {"stream": stream, "run": run},
        )


def current_run(engine: Engine, stream: str) -> str | None:
    """Read which run took the stream over last; None: no scheduled run ever did."""
    with engine.begin() as connection:
        query = text("SELECT run FROM live_streams WHERE stream = :stream")
        return connection.execute(query, {"stream": stream}).scalar_one_or_none()


class Health(NamedTuple):
    """How a stream is, as the columns of the table; times are UTC."""

    health: str  # healthy, incomplete or unhealthy
    since: datetime
    reason: str | None = None  # what is wrong; None: nothing
    told_at: datetime | None = None  # when a message last said so


def read_health(engine: Engine, stream: str) -> Health | None:
    """Read how a scheduled run found the stream last; None: none has judged it."""
    query = text("SELECT health, since, reason, told_at FROM live_streams WHERE stream = :stream")
    with engine.begin() as connection:
        row = connection.execute(query, {"stream": stream}).one_or_none()
    return None if row is None or row.health is None else Health(*row)


def update_health(
    engine: Engine, stream: str, change: Callable[[Health | None], Health]
) -> Health | None:
    """Store what `change` makes of the stored health, or of None; gives what was stored.

    The lock on the row lets one run at a time compare.
    """
    key = {"stream": stream}
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO live_streams (stream) VALUES (:stream) ON CONFLICT DO NOTHING"), key
        )
        query = "SELECT health, since, reason, told_at FROM live_streams WHERE stream = :stream"
        row = connection.execute(text(f"{query} FOR UPDATE"), key).one()
        before = None if row.health is None else Health(*row)
        connection.execute(
            text(
                "UPDATE live_streams SET health = :health, since = :since, reason = :reason, "
                "told_at = :told_at WHERE stream = :stream"
            ),
            key | change(before)._asdict(),
        )
    return before
