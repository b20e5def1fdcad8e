"""What is told of a stream's health, run after run, with what a real database remembers."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from sorobanflow.status.alerts import Change, next_health
from sorobanflow.status.model import Problem
from sorobanflow.store.live_streams import Health, current_run, take_over, update_health

BEGAN = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
DOWN = Problem("failed", "the run of index failed: no answer", "all")
BEHIND = Problem("behind", "141 ledgers behind the node", "all")
GAP = Problem("gap", "recorded as a gap: 50-99", "all")
ANOTHER_GAP = Problem("gap", "recorded as a gap: 50-99, 120", "all")
HOLE = Problem("holes", "holes: 1 ledger; the next run fills them", "all")

#: Minutes since the beginning, and what the run at that time found.
Runs = list[tuple[int, list[Problem]]]
#: Minutes, event and text of each message.
Told = list[tuple[int, str, str]]


def _told(engine: Engine, runs: Runs) -> Told:
    told: Told = []
    for minutes, problems in runs:
        now = BEGAN + timedelta(minutes=minutes)
        changes: list[Change] = []

        def change(
            before: Health | None,
            problems: list[Problem] = problems,
            now: datetime = now,
            changes: list[Change] = changes,
        ) -> Health:
            changes.append(next_health("stream all", before, problems, now))
            return changes[-1].health

        update_health(engine, "all", change)
        if message := changes[0].message:
            told.append((minutes, message.event, message.text))
    return told


def test_outage_of_two_hours_is_told_once_with_a_reminder_an_hour_and_its_end(
    engine: Engine,
) -> None:
    outage: Runs = [(minutes, [DOWN]) for minutes in range(10, 135, 5)]
    assert _told(engine, [(0, []), (5, []), *outage, (135, []), (140, [])]) == [
        (10, "unhealthy", f"stream all is unhealthy: {DOWN.text}"),
        (70, "reminder", f"stream all is still unhealthy, since 2026-11-30 12:10 UTC: {DOWN.text}"),
        (
            130,
            "reminder",
            f"stream all is still unhealthy, since 2026-11-30 12:10 UTC: {DOWN.text}",
        ),
        (
            135,
            "recovered",
            "stream all is healthy again, after 2 hours and 5 minutes; "
            f"it was unhealthy: {DOWN.text}",
        ),
    ]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([(0, [HOLE])], [], id="what the next run does anyway"),
        pytest.param([(0, [BEHIND, GAP])], [(0, "unhealthy")], id="at the first run"),
        pytest.param(
            [(0, [DOWN]), (5, [BEHIND])], [(0, "unhealthy")], id="another reason is no change"
        ),
        pytest.param(
            [(0, [GAP]), (5, [GAP]), (90, [GAP]), (1440, [])],
            [(0, "incomplete"), (1440, "recovered")],
            id="a gap needs no reminder",
        ),
        pytest.param(
            [(0, [GAP]), (5, [ANOTHER_GAP]), (65, [ANOTHER_GAP]), (130, [ANOTHER_GAP])],
            [(0, "incomplete"), (65, "reminder")],
            id="another gap is told within the hour",
        ),
        pytest.param(
            [(0, [GAP]), (5, [GAP, DOWN]), (10, [GAP]), (15, [])],
            [(0, "incomplete"), (5, "unhealthy"), (10, "incomplete"), (15, "recovered")],
            id="a gap hides no outage",
        ),
    ],
)
def test_told_when_it_changes(engine: Engine, runs: Runs, expected: list[tuple[int, str]]) -> None:
    assert [(minutes, event) for minutes, event, _ in _told(engine, runs)] == expected


def test_health_and_turn_of_a_stream_do_not_disturb_each_other(engine: Engine) -> None:
    take_over(engine, "all", "run 1")
    assert update_health(engine, "all", lambda before: Health("unhealthy", BEGAN)) is None
    take_over(engine, "all", "run 2")
    assert current_run(engine, "all") == "run 2"
    before = update_health(engine, "all", lambda before: Health("healthy", BEGAN))
    assert before == Health("unhealthy", BEGAN)
    assert current_run(engine, "filter-0") is None
