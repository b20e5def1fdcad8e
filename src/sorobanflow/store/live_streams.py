"""What the scheduled runs of live indexing tell each other about a stream, in `live_streams`.

A run that is ready takes the stream over from the one before it. Invariant: nothing here
decides what is stored, for which two runs at the same time do no harm.
"""

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
