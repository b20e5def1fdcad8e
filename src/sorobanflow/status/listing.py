"""List the streams of a database as it describes them, without the node.

`report` writes the lines of the status; this the lines and the JSON of `sorobanflow streams`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Engine

from sorobanflow.status.database import bounded, read_streams
from sorobanflow.status.model import Run, Stream
from sorobanflow.status.report import Line, ago, filter_text, grid, run_text, text_of
from sorobanflow.status.streams import compared
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.live_streams import Health, read_health
from sorobanflow.texts import utc


class Listed(NamedTuple):
    """A stream, with what its scheduled runs found last, and its last run; None: not known."""

    stream: Stream
    health: Health | None
    last_run: Run | None


def read_listing(engine: Engine, last_runs: Mapping[str, Run]) -> list[Listed]:
    """Read the streams, by name; `last_runs`: by the name of the stream."""
    reading = bounded(engine)
    return [
        Listed(
            compared(one, read_coverage(reading, one.name), None, None),
            read_health(reading, one.name),
            last_runs.get(one.name),
        )
        for one in read_streams(reading)
    ]


def to_json(listing: Sequence[Listed]) -> bytes:
    """Give the streams as a JSON list; a ledger range is [first, last], both included."""
    return msgspec.json.encode([_fields(one) for one in listing])


def _fields(listed: Listed) -> dict[str, Any]:
    stream, health, last_run = listed
    return {
        "name": stream.name,
        "filter": msgspec.Raw((stream.filter or "null").encode()),
        "indexed_from": stream.indexed_from,
        "covered": stream.covered,
        "gaps": stream.gaps,
        "newest_ledger": stream.covered_end,
        "closed_at": stream.closed_at,
        "advanced_at": stream.advanced_at,
        "health": None if health is None else health._asdict(),
        "last_run": last_run,
    }


def to_text(listing: Sequence[Listed], now: datetime | None = None) -> str:
    """Give the streams as lines for a terminal."""
    now = now or datetime.now(UTC)
    lines = [line for one in listing for line in (*_lines(one, now), ("", ""))]
    return text_of(grid(lines)) if lines else "there are no streams"


def _lines(listed: Listed, now: datetime) -> Iterator[Line]:
    stream, health, last_run = listed
    live = stream.indexed_from is not None
    yield "stream", stream.name if live else f"{stream.name}, not indexed live"
    yield "  filter", filter_text(stream.filter) if stream.filter else "none: everything"
    yield "  covered", str(stream.covered)
    if stream.covered_end is not None:
        closed = "" if stream.closed_at is None else f", closed {ago(stream.closed_at, now)}"
        stored = "" if stream.advanced_at is None else f", stored {ago(stream.advanced_at, now)}"
        yield "  newest", f"ledger {stream.covered_end}{closed}{stored}"
    yield "  gaps", str(stream.gaps)
    yield "  last run", "not known" if last_run is None else run_text(last_run, now)
    if health is None:
        yield "  health", "not known: no scheduled run has judged it"
    else:
        reason = f": {health.reason}" if health.reason else ""
        yield "  health", f"{health.health} since {utc(health.since)}{reason}"
