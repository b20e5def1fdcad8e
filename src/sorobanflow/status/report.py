"""Show a status: as text and Markdown for a person, problems first; as JSON for a program.

The JSON has the fields of `model`; a ledger range is [first, last], both included.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import StringIO

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table

from sorobanflow.pipeline.retention import LEDGERS_OF_LAG
from sorobanflow.status.model import Database, Quarantine, Run, Status, Stream, network_name
from sorobanflow.texts import count, duration, markdown_table, markdown_text, size, utc

WIDTH = 100
#: Streams and characters of a filter that a person is shown.
MAX_STREAMS, MAX_FILTER = 5, 100

Line = tuple[str, str]


def to_json(status: Status) -> bytes:
    """Give the status as a JSON object, `healthy` first."""
    return msgspec.json.encode({"healthy": status.healthy} | msgspec.to_builtins(status))


def to_text(status: Status) -> str:
    """Give the status as lines for a terminal."""
    notes = [("  !", str(one)) for one in status.problems]
    notes += [("  note:", str(one)) for one in status.notes]
    said = [grid(notes)] if notes else []  # an empty grid is a line
    return text_of(headline(status), *said, "", grid(figures(status)))


def text_of(*parts: RenderableType) -> str:
    """Give parts as lines for a terminal."""
    console = Console(file=StringIO(), width=WIDTH, markup=False, emoji=False, highlight=False)
    with console.capture() as text:
        console.print(Group(*parts))
    return "\n".join(line.rstrip() for line in text.get().rstrip().splitlines())


def grid(lines: Iterable[Line]) -> Table:
    """Put labels and what they say in two columns."""
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row(*line)
    return grid


def to_markdown(status: Status) -> str:
    """Give the status as Markdown, for an artifact, whose description is the headline."""
    notes = [*map(str, status.problems), *(f"note: {one}" for one in status.notes)]
    lines = [f"- {markdown_text(note)}" for note in notes] + ([""] if notes else [])
    table = markdown_table((label.strip(), value) for label, value in figures(status))
    return "\n".join([*lines, *table])


def headline(status: Status) -> str:
    """Say in one line whether all is well."""
    problems = count(len(status.problems), "problem")
    verdict = "healthy" if status.healthy else f"UNHEALTHY: {problems}"
    return f"{verdict} ({utc(status.read_at)})"


def figures(status: Status) -> Iterator[Line]:
    """Give label and value of each figure, for a person."""
    node, database, now = status.node, status.database, status.read_at
    yield "network", _network(status)
    if node:
        closed = node.latest_closed_at
        newest = f", the newest closed {ago(closed, now)}" if closed else ""
        ledgers = f"{node.oldest_ledger} to {node.latest_ledger}"
        yield "node", f"{status.endpoint} has ledgers {ledgers}{newest}"
    else:
        yield "node", f"{status.endpoint} cannot be reached, see above"
    if database:
        yield from _database(database, now)
    else:
        yield "database", "cannot be reached, see above"
    yield from _runs(status.runs, now)


def _network(status: Status) -> str:
    source = status.node or status.database
    passphrase = source.passphrase if source else None
    if passphrase is None:
        return "not known"
    name = network_name(passphrase)
    return f"{name} ({passphrase})" if name else repr(passphrase)


def _database(database: Database, now: datetime) -> Iterator[Line]:
    on_disk = "" if database.size_bytes is None else f", {size(database.size_bytes)}"
    yield "database", f"{database.name}{on_disk}, schema {database.revision or 'none'}"
    for stream in database.streams[:MAX_STREAMS]:
        yield from _stream(stream, now)
    if (more := len(database.streams) - MAX_STREAMS) > 0:
        yield "", f"and {count(more, 'other stream')}"
    yield "quarantine", _quarantine(database.quarantine)
    yield "rows, about", _rows(database.rows)
    archive = database.archive
    if archive.archived.count:
        yield "archived", f"{archive.archived}, {size(archive.size_bytes)} of files"
    if archive.dropped.count:
        yield "dropped", f"the rows of {archive.dropped}"


def _stream(stream: Stream, now: datetime) -> Iterator[Line]:
    live = stream.indexed_from is not None
    yield "stream", stream.name if live else f"{stream.name}, only backfilled"
    if stream.filter:
        yield "  filter", filter_text(stream.filter)
    yield "  covered", str(stream.covered)
    if live:
        yield "  lag", _lag(stream, now)
        yield "  holes", "not known" if stream.lag_ledgers is None else str(stream.holes)
    if stream.lost.count:
        yield "  lost", str(stream.lost)
    yield "  gaps", str(stream.gaps)
    for gap in stream.newest_gaps[:1]:
        yield "  last gap", f"{gap.ledgers}, recorded {utc(gap.first_seen)}: {gap.reason}"
    if (stream.lag_ledgers or 0) > LEDGERS_OF_LAG or stream.holes.count:
        left = stream.retention_left_s
        time_left = "an unknown time" if left is None else f"at least {duration(left)}"
        yield "  time left", f"{time_left} until the node drops ledger {stream.oldest_missing}"


def filter_text(filter_json: str) -> str:
    """Give a filter's JSON, or its beginning if it is long."""
    return filter_json[:MAX_FILTER] + ("…" if len(filter_json) > MAX_FILTER else "")


def _lag(stream: Stream, now: datetime) -> str:
    lag = stream.lag_ledgers
    if lag is None:
        text = "not known"
    elif lag <= 0:
        text = "none"
    else:
        time = "" if stream.lag_s is None else f", {duration(stream.lag_s)}"
        text = count(lag, "ledger") + time
    at = stream.advanced_at
    return f"{text}; the newest was stored {ago(at, now)}" if at else text


def _quarantine(quarantine: Quarantine) -> str:
    if quarantine.more:
        return f"more than {quarantine.items - 1:,} items"
    items = [f"{one} in stream {one.stream or 'not known'}" for one in quarantine.counts]
    return ", ".join(items) or "empty"


def _rows(rows: Mapping[str, int | None]) -> str:
    full = sorted((-count, name) for name, count in rows.items() if count)
    texts = [f"{name} {-count:,}" for count, name in full]
    if unknown := [name for name, count in rows.items() if count is None]:
        texts.append(f"no estimate yet: {', '.join(unknown)}")
    return "; ".join(texts) or "none"


def _runs(runs: Sequence[Run] | None, now: datetime) -> Iterator[Line]:
    if runs is None:
        yield "last runs", "not read: PREFECT_API_URL is not set; `make ui` starts a server"
        return
    label = "last runs"
    for run in runs:
        yield label, run_text(run, now)
        label = ""
    if not runs:
        yield label, "none"


def run_text(run: Run, now: datetime) -> str:
    """Say how a run went, and when."""
    started = ago(run.started_at, now) if run.started_at else "not started"
    took = f", took {duration(run.seconds)}" if run.seconds else ""
    return f"{run.flow}: {run.state}, {started}{took} ({run.name})"


def ago(moment: datetime, now: datetime) -> str:
    """Say how long ago a moment was."""
    seconds = (now - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
