"""Judge a status: what is wrong, and what is only worth knowing.

Wrong, so that the exit code is 1:

- node or database cannot be asked, or a part of what they were asked;
- the database has no tables, another schema than this program's, or another
  network than the node; nothing is indexed yet;
- a stream that live indexing has begun is more than `max_lag_ledgers` behind
  the node; nothing newer was stored for `stall_s` though the node has more;
  it has holes; it lacks ledgers that the node no longer has, and no gap says so;
  or the node is far behind the stream;
- a gap that the node has after all: an audit with repair mends it;
- a gap recorded, or an item put in quarantine, within the last day.

Worth knowing only: a gap that the node no longer has either, and an item in
quarantine, once they are a day old. The run that left them has failed, and
whoever looks daily has seen them; nothing that is run again changes them, and a
status that is red for ever says nothing. (An audit judges alike: it fails for
what was not recorded before.) More items in quarantine than are counted are
always wrong. A stream that was only ever backfilled promises no ledger to come,
so it has neither lag nor holes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sorobanflow.audit.continuity import LEDGERS_OF_LAG
from sorobanflow.pipeline.work import LEDGERS_BEHIND_TIP
from sorobanflow.status.model import (
    SHOWN,
    SHOWN_STREAMS,
    Database,
    Problem,
    Ranges,
    Status,
    Stream,
)
from sorobanflow.texts import duration

#: A gap or an item in quarantine is news for a day.
NEWS = timedelta(days=1)
#: Ranges that a sentence names.
NAMED_RANGES = 3


@dataclass(frozen=True)
class Limits:
    """What is too much, as in the flow `index`.

    Attributes:
        max_lag_ledgers: Ledgers that a stream may be behind the node.
        stall_s: Seconds without a newer ledger stored while the node has more.
        streams: The streams to judge; none: each.
    """

    max_lag_ledgers: int = LEDGERS_BEHIND_TIP
    stall_s: float = 300.0
    streams: tuple[str, ...] = ()


def judged(status: Status, limits: Limits) -> Status:
    """Add the problems and notes that the figures of a status tell."""
    problems, notes = list(status.problems), list(status.notes)
    if status.database:
        problems += _of_database(status, status.database)
        problems += [] if _unread(status) else _unknown_streams(status.database, limits)
        for one in _streams_judged(status.database, limits):
            problems += _of_stream(one, status, limits)
            notes += _notes_of_stream(one, status.read_at)
        news, known = _of_quarantine(status.database, status.read_at, limits)
        problems += news
        notes += known
    return replace(status, problems=tuple(problems), notes=tuple(notes))


def _streams_judged(database: Database, limits: Limits) -> Iterable[Stream]:
    return [one for one in database.streams if not limits.streams or one.name in limits.streams]


def _unread(status: Status) -> bool:
    """Whether a part of the database could not be read: what it lacks then proves nothing."""
    return any(one.kind == "database" for one in status.problems)


def _unknown_streams(database: Database, limits: Limits) -> Iterator[Problem]:
    known = {one.name for one in database.streams}
    for name in limits.streams:
        if name not in known:
            among = f" among the first {SHOWN_STREAMS}" if database.more_streams else ""
            yield Problem("empty", f"there is no such stream{among}", name)


def _of_database(status: Status, database: Database) -> Iterator[Problem]:
    if database.revision is None:
        yield Problem(
            "empty", "the database has no tables yet; run the flow index, which makes them"
        )
        return
    if database.revision != status.program_revision:
        yield Problem(
            "schema",
            f"the database's schema is revision {database.revision}, this program writes "
            f"{status.program_revision}; run `python -m deployments.migrate`, "
            "or the program's version that made it",
        )
    if status.node and database.passphrase not in (None, status.node.passphrase):
        yield Problem(
            "network",
            f"the database holds the network {database.passphrase!r}, the node is of "
            f"{status.node.passphrase!r}; use a node of the same network, or another database",
        )
    if not database.streams and not _unread(status):
        yield Problem("empty", "nothing is indexed yet; run the flow index")


def _of_stream(stream: Stream, status: Status, limits: Limits) -> Iterator[Problem]:
    def problem(kind: str, words: str) -> Problem:
        return Problem(kind, words, stream.name)

    lag = stream.lag_ledgers or 0
    if lag > limits.max_lag_ledgers:
        yield problem(
            "behind",
            f"{lag:,} ledgers{_for(stream.lag_s)} behind the node"
            f"; allowed are {limits.max_lag_ledgers:,}",
        )
    if lag < -LEDGERS_BEHIND_TIP:
        yield problem(
            "behind",
            f"the node is {-lag:,} ledgers behind what is stored: it starts over, or lags",
        )
    if stream.advanced_at and lag > LEDGERS_OF_LAG:
        still = (status.read_at - stream.advanced_at).total_seconds()
        if still > limits.stall_s:
            yield problem(
                "stalled",
                f"nothing newer was stored for {duration(still)}, though the node has "
                f"{lag:,} ledgers more; does the flow index run?",
            )
    if stream.holes.count:
        yield problem(
            "holes",
            f"holes of {_named(stream.holes)}; the next run of the flow index fills them",
        )
    if stream.lost.count:
        yield problem(
            "lost",
            f"the node no longer has {_named(stream.lost)}; the next run of the flow index "
            "records them as a gap; a node with longer history may still have them",
        )
    if stream.gaps_at_node.count:
        yield problem(
            "gap",
            f"the node has {_named(stream.gaps_at_node)} that are recorded as a gap; "
            "run `python -m flows.audit repair=true`",
        )
    new = [gap for gap in stream.newest_gaps if status.read_at - gap.first_seen < NEWS]
    if new:
        at_least = "at least " if len(new) == SHOWN else ""
        ledgers = Ranges.first_of([gap.ledgers for gap in new])
        yield problem(
            "gap",
            f"recorded as a gap within the last day: {at_least}{_named(ledgers)}"
            f" ({new[0].reason}); a node with longer history may still have them",
        )


def _notes_of_stream(stream: Stream, now: datetime) -> Iterator[Problem]:
    old = [gap for gap in stream.newest_gaps if now - gap.first_seen >= NEWS]
    if old:
        yield Problem(
            "gap", f"{_named(stream.gaps)} are recorded as gaps and stay missing", stream.name
        )


def _of_quarantine(
    database: Database, now: datetime, limits: Limits
) -> tuple[list[Problem], list[Problem]]:
    news: list[Problem] = []
    known: list[Problem] = []
    quarantine = database.quarantine
    if quarantine.more:
        news.append(
            Problem("quarantine", f"more than {quarantine.items - 1:,} items are in quarantine")
        )
    for one in quarantine.counts:
        if limits.streams and one.stream not in (*limits.streams, None):
            continue
        words = (
            f"{one.items:,} of kind {one.kind} in quarantine, the last since {_when(one.newest)}"
        )
        if now - one.newest < NEWS:
            news.append(
                Problem(
                    "quarantine",
                    f"{words}; `python -m flows.audit repair=true` decodes again",
                    one.stream,
                )
            )
        else:
            known.append(Problem("quarantine", words, one.stream))
    return news, known


def _named(ranges: Ranges) -> str:
    shown = ", ".join(str(part) for part in ranges.shown[:NAMED_RANGES])
    more = ", …" if ranges.count > NAMED_RANGES else ""
    noun = "ledger" if ranges.ledgers == 1 else "ledgers"
    return f"{ranges.ledgers:,} {noun} ({shown}{more})"


def _for(seconds: float | None) -> str:
    return "" if seconds is None else f" ({duration(seconds)})"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
