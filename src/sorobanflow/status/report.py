"""Show a status: as text and Markdown for a person, as JSON for a program.

What is wrong comes first, then the figures, a screen at most. In the JSON the
fields are those of `model`, and a ledger range is [first, last], both included.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from textwrap import wrap

import msgspec

from sorobanflow.audit.continuity import LEDGERS_OF_LAG
from sorobanflow.status.model import (
    Database,
    Problem,
    Quarantine,
    Ranges,
    Run,
    Status,
    Stream,
    Table,
    network_name,
)
from sorobanflow.texts import duration

MIB, GIB = 2**20, 2**30
WIDTH = 100
LABEL_WIDTH = 12
#: Streams that a person is shown; of the others, those with a problem are named by it.
NAMED_STREAMS = 5
NAMED_RANGES = 4

Line = tuple[str, str]


def to_json(status: Status) -> bytes:
    """Give the status as a JSON object, `healthy` first."""
    return msgspec.json.encode({"healthy": status.healthy} | msgspec.to_builtins(status))


def from_json(said: bytes) -> Status:
    """Read a status back from its JSON."""
    return msgspec.json.decode(said, type=Status)


def to_text(status: Status) -> str:
    """Give the status as lines for a terminal."""
    lines = [headline(status)]
    lines += _wrapped("  ! ", (_sentence(one) for one in status.problems))
    lines += _wrapped("  note: ", (_sentence(one) for one in status.notes))
    lines.append("")
    for label, value in figures(status):
        parts = wrap(value, WIDTH - LABEL_WIDTH, break_on_hyphens=False) or [""]
        lines.append(f"{label:<{LABEL_WIDTH}}{parts[0]}".rstrip())
        lines += [" " * LABEL_WIDTH + part for part in parts[1:]]
    return "\n".join(lines)


def to_markdown(status: Status) -> str:
    """Give the status as Markdown, for an artifact."""
    said = [f"- {_cell(_sentence(one))}" for one in status.problems]
    said += [f"- note: {_cell(_sentence(one))}" for one in status.notes]
    lines = [f"**{headline(status)}**", "", *said, *([""] if said else [])]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {_cell(label.strip())} | {_cell(value)} |" for label, value in figures(status)]
    return "\n".join(lines)


def headline(status: Status) -> str:
    """One line: is all well?"""
    count = len(status.problems)
    noun = "problem" if count == 1 else "problems"
    verdict = "healthy" if status.healthy else f"UNHEALTHY: {count} {noun}"
    return f"{verdict} ({_when(status.read_at)})"


def figures(status: Status) -> Iterator[Line]:
    """Label and value per line, for a person."""
    node, database = status.node, status.database
    yield "network", _network(status)
    if node:
        closed = _closed(node.latest_closed_at, status.read_at)
        yield (
            "node",
            f"{status.endpoint} has ledgers {node.oldest_ledger} to {node.latest_ledger}{closed}",
        )
    else:
        yield "node", f"{status.endpoint} could not be asked, see above"
    if database is None:
        yield "database", "could not be asked, see above"
    else:
        yield from _database(database, status)
    yield from _runs(status.runs, status.read_at)


def _database(database: Database, status: Status) -> Iterator[Line]:
    size = "" if database.size_bytes is None else f", {_size(database.size_bytes)}"
    yield "database", f"{database.name}{size}, schema {database.revision or 'none'}"
    for stream in database.streams[:NAMED_STREAMS]:
        yield from _stream(stream, status.read_at)
    more = len(database.streams) - NAMED_STREAMS
    if more > 0 or database.more_streams:
        yield "", f"and {max(more, 1)}{' or more' if database.more_streams else ''} other streams"
    yield "quarantine", _quarantine(database.quarantine)
    yield "rows, about", _rows(database.tables)


def _stream(stream: Stream, now: datetime) -> Iterator[Line]:
    live = "" if stream.indexed_from is not None else ", only backfilled"
    yield "stream", f"{stream.name}{live}"
    if stream.filter:
        yield (
            "  filter",
            stream.filter if len(stream.filter) <= WIDTH else f"{stream.filter[:WIDTH]}…",
        )
    yield "  covered", _ranges(stream.covered, "last")
    if stream.indexed_from is not None:
        yield "  lag", _lag(stream, now)
        known = stream.lag_ledgers is not None
        yield "  holes", _ranges(stream.holes, "first") if known else "not known"
    if stream.lost.count:
        yield "  lost", _ranges(stream.lost, "first")
    yield "  gaps", _gaps(stream)
    if (stream.lag_ledgers or 0) > LEDGERS_OF_LAG or stream.holes.count:
        left = stream.retention_left_s
        time_left = "an unknown time" if left is None else f"at least {_span(left)}"
        yield "  time left", f"{time_left} until the node drops ledger {stream.oldest_missing}"


def _lag(stream: Stream, now: datetime) -> str:
    lag = stream.lag_ledgers
    if lag is None:
        words = "not known"
    elif lag <= 0:
        words = "none"
    else:
        seconds = "" if stream.lag_s is None else f", {_span(stream.lag_s)}"
        words = f"{lag:,} {'ledger' if lag == 1 else 'ledgers'}{seconds}"
    if stream.advanced_at is None:
        return words
    return f"{words}; the newest was stored {_ago(stream.advanced_at, now)}"


def _gaps(stream: Stream) -> str:
    words = _ranges(stream.gaps, "last")
    if not stream.newest_gaps:
        return words
    newest = stream.newest_gaps[0]
    return f"{words}; recorded last: {newest.ledgers}, {_when(newest.first_seen)}, {newest.reason}"


def _ranges(ranges: Ranges, which: str) -> str:
    if not ranges.count:
        return "none"
    shown = ranges.shown[-NAMED_RANGES:] if which == "last" else ranges.shown[:NAMED_RANGES]
    parts = ", ".join(str(part) for part in shown)
    of = f", the {which} of {ranges.count:,} ranges" if ranges.count > len(shown) else ""
    return f"{ranges.ledgers:,} {'ledger' if ranges.ledgers == 1 else 'ledgers'}: {parts}{of}"


def _quarantine(quarantine: Quarantine) -> str:
    if not quarantine.counts:
        return "empty"
    if quarantine.more:
        return f"more than {quarantine.items - 1:,} items"
    kinds = [
        f"{one.items:,} of kind {one.kind} by stream {one.stream or 'unknown'}"
        for one in quarantine.counts
    ]
    return ", ".join(kinds)


def _rows(tables: Sequence[Table]) -> str:
    full = [one for one in tables if one.rows]
    known = [f"{one.name} {one.rows:,}" for one in sorted(full, key=lambda one: -(one.rows or 0))]
    uncounted = [one.name for one in tables if one.rows is None]
    if uncounted:
        known.append(f"not counted by the server yet: {', '.join(uncounted)}")
    return "; ".join(known) or "none"


def _runs(runs: Sequence[Run] | None, now: datetime) -> Iterator[Line]:
    if runs is None:
        yield "last runs", "no Prefect API given (PREFECT_API_URL)"
        return
    label = "last runs"
    for run in runs:
        started = "not started" if run.started_at is None else _ago(run.started_at, now)
        took = "" if not run.seconds else f", took {_span(run.seconds)}"
        yield label, f"{run.flow}: {run.state}, {started}{took} ({run.name})"
        label = ""
    if not runs:
        yield label, "none"


def _network(status: Status) -> str:
    source = status.node or status.database
    passphrase = source.passphrase if source else None
    if passphrase is None:
        return "not known"
    name = network_name(passphrase)
    return f"{name} ({passphrase})" if name else repr(passphrase)


def _sentence(problem: Problem) -> str:
    return f"stream {problem.stream}: {problem.text}" if problem.stream else problem.text


def _wrapped(mark: str, sentences: Iterable[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from wrap(
            sentence, WIDTH, initial_indent=mark, subsequent_indent="    ", break_on_hyphens=False
        )


def _closed(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f", the newest closed {_ago(moment, now)}"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    return f"{_span(seconds)} ago" if seconds >= 0 else f"in {_span(-seconds)}"


def _span(seconds: float) -> str:
    """Write seconds as a person reads them; in days from two days on."""
    hours = round(seconds) // 3600
    return f"{hours // 24} d {hours % 24} h" if hours >= 48 else duration(seconds)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _size(size_bytes: int) -> str:
    if size_bytes >= GIB:
        return f"{size_bytes / GIB:,.1f} GiB"
    return f"{size_bytes / MIB:,.0f} MiB"


def _cell(text: str) -> str:
    """Keep Markdown from reading table bars in what came from elsewhere."""
    return text.replace("|", "\\|")
