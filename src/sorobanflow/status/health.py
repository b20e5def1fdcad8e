"""Judge a status: what is wrong (a problem), and what is only worth knowing (a note).

Problems, which make the exit code 1:

- the node or the database cannot be reached, or a part of it cannot be read;
- the database has no tables, the schema of another version, or another network
  than the node; or nothing is indexed yet;
- a stream with live indexing is more than `max_lag_ledgers` behind the node; it
  has stored nothing newer for `stall_s` although the node has more; it has
  holes; it lacks ledgers that the node no longer has and no gap records; the
  node is far behind the stream; or, with none of these, its newest ledger closed
  more than ten minutes ago, because the node or the network stands still (of the
  devnet, whose close times are made up: was stored that long ago);
- the node has ledgers that are recorded as a gap: an audit with repair fills them;
- a gap was recorded, or an item put in quarantine, within the last day;
- there are more items in quarantine than are counted.

Notes: a gap that the node no longer has either, and an item in quarantine, once
they are a day old. The run that left them has failed, and no other run changes
them; a status that stays red for ever would be ignored. (An audit judges the
same way.) Rows of an older release that were not moved into the partitions yet:
views show them as well. A stream that was only backfilled has neither lag nor holes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sorobanflow.ledgers import LEDGERS_BEHIND_TIP
from sorobanflow.pipeline.retention import LEDGERS_OF_LAG
from sorobanflow.status.model import (
    MAX_SHOWN,
    Database,
    Problem,
    QuarantineCount,
    Ranges,
    Status,
    Stream,
    network_name,
)
from sorobanflow.texts import duration, utc

#: How long a gap or an item in quarantine is a problem.
NEWS = timedelta(days=1)


@dataclass(frozen=True)
class Limits:
    """What is tolerated, as in the flow `index`."""

    max_lag_ledgers: float = LEDGERS_BEHIND_TIP
    stall_s: float = 300.0  # without a newer ledger stored while the node has more
    streams: tuple[str, ...] = ()  # to judge; empty: all
    max_age_s: float = 600.0  # since the newest stored ledger closed

    def include(self, stream: str | None) -> bool:
        """Whether the stream is judged; what no stream is known of always is."""
        return not self.streams or stream is None or stream in self.streams


def judged(status: Status, limits: Limits) -> Status:
    """Add the problems and notes that follow from the figures of a status."""
    database, now = status.database, status.read_at
    if database is None:
        return status
    problems, notes = list(status.problems), list(status.notes)
    problems += _database_problems(status, database, limits)
    is_made_up = network_name(database.passphrase or "") == "devnet"
    for stream in database.streams:
        if limits.include(stream.name):
            found = [*_lag_problems(stream, now, limits)]
            found = found or [*_age_problems(stream, now, limits, is_made_up)]
            found += _missing_problems(stream, now)
            problems += [Problem(kind, text, stream.name) for kind, text in found]
            notes += _gap_notes(stream, now)
    if database.unmoved is not None:
        rows = f"{database.unmoved:,} rows" if database.unmoved else "rows"
        text = f"{rows} of an older release are still to be moved; run `sorobanflow migrate`"
        notes.append(Problem("unmoved", text))
    if database.quarantine.more:
        text = f"more than {database.quarantine.items - 1:,} items are in quarantine"
        problems.append(Problem("quarantine", text))
    for items in database.quarantine.counts:
        if limits.include(items.stream):
            (problems if now - items.newest < NEWS else notes).append(_quarantine(items, now))
    return replace(status, problems=tuple(problems), notes=tuple(notes))


def _database_problems(status: Status, database: Database, limits: Limits) -> Iterator[Problem]:
    if database.revision is None:
        yield Problem("empty", "the database has no tables yet; run the flow index to create them")
        return
    if database.revision != status.program_revision:
        yield Problem(
            "schema",
            f"the database's schema is revision {database.revision}, this program needs "
            f"{status.program_revision}; run `sorobanflow migrate`, "
            "or use the program's version that created the schema",
        )
    if status.node and database.passphrase not in (None, status.node.passphrase):
        yield Problem(
            "network",
            f"the database holds the network {database.passphrase!r}, the node is on "
            f"{status.node.passphrase!r}; use a node on the same network, or another database",
        )
    if any(one.kind == "database" for one in status.problems):
        return  # a part could not be read, so a stream may be there nevertheless
    if not database.streams:
        yield Problem("empty", "nothing is indexed yet; run the flow index")
    for name in sorted({*limits.streams} - {stream.name for stream in database.streams}):
        yield Problem("empty", "there is no such stream", name)


def _lag_problems(stream: Stream, now: datetime, limits: Limits) -> Iterator[tuple[str, str]]:
    lag = stream.lag_ledgers or 0
    idle_s = (now - stream.advanced_at).total_seconds() if stream.advanced_at else 0.0
    if lag > limits.max_lag_ledgers:
        time = "" if stream.lag_s is None else f" ({duration(stream.lag_s)})"
        limit = f"the limit is {limits.max_lag_ledgers:,}"
        yield "behind", f"{lag:,} ledgers{time} behind the node; {limit}"
    if -lag > LEDGERS_BEHIND_TIP:
        cause = "it was reset, or it lags"
        yield "behind", f"the node is {-lag:,} ledgers behind what is stored: {cause}"
    if lag > LEDGERS_OF_LAG and idle_s > limits.stall_s:
        text = f"nothing newer was stored for {duration(idle_s)}, although the node has {lag:,}"
        text += " more ledgers; check that the flow index runs"
        end = f", or end it with `sorobanflow streams forget {stream.name}`"
        yield "stalled", text + (end if stream.filter else "")


def _age_problems(
    stream: Stream, now: datetime, limits: Limits, is_made_up: bool
) -> Iterator[tuple[str, str]]:
    done, moment = (
        ("was stored", stream.advanced_at) if is_made_up else ("closed", stream.closed_at)
    )
    if stream.lag_ledgers is None or moment is None:  # only backfilled, or the node is away
        return
    age_s = (now - moment).total_seconds()
    if age_s > limits.max_age_s:
        text = f"the newest ledger, {stream.covered_end}, {done} {duration(age_s)} ago"
        limit = f"the limit is {duration(limits.max_age_s)}"
        yield "old", f"{text}; {limit}; check the node, and whether the network itself advances"


def _missing_problems(stream: Stream, now: datetime) -> Iterator[tuple[str, str]]:
    longer = "a node with longer history may still have them"
    if stream.holes.count:
        yield "holes", f"holes: {stream.holes}; the next run of the flow index fills them"
    if stream.lost.count:
        next_run = "the next run of the flow index records them as a gap"
        yield "lost", f"the node no longer has {stream.lost}; {next_run}; {longer}"
    if stream.gaps_at_node.count:
        text = f"recorded as a gap, but the node has them: {stream.gaps_at_node}"
        yield "gap", f"{text}; run `sorobanflow audit --repair`"
    if new := [gap for gap in stream.newest_gaps if now - gap.first_seen < NEWS]:
        ledgers = Ranges.of(sorted(gap.ledgers for gap in new))
        at_least = "at least " if len(new) == MAX_SHOWN else ""
        text = f"recorded as a gap within the last day: {at_least}{ledgers}: {new[0].reason}"
        yield "gap", f"{text}; {longer}"


def _gap_notes(stream: Stream, now: datetime) -> Iterator[Problem]:
    if any(now - gap.first_seen >= NEWS for gap in stream.newest_gaps):
        yield Problem("gap", f"recorded as gaps, which remain: {stream.gaps}", stream.name)


def _quarantine(items: QuarantineCount, now: datetime) -> Problem:
    text = f"in quarantine: {items}, the newest from {utc(items.newest)}"
    if now - items.newest < NEWS:
        text += "; run `sorobanflow audit --repair` to decode again"
    return Problem("quarantine", text, items.stream)
