"""Decide whether somebody is to be told how a stream is: when that changes, and not each time.

    healthy ──▶ unhealthy     it is behind, stands still, or its runs fail: somebody must act
            ──▶ incomplete    ledgers or items are missing; nothing gets worse
            ◀── recovered

Invariant: one message for each change. While the stream is unhealthy, at most one reminder an
hour; while it is incomplete, only if something else is missing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sorobanflow.status.model import Problem
from sorobanflow.store.live_streams import Health
from sorobanflow.texts import duration, utc

HEALTHY, INCOMPLETE, UNHEALTHY = "healthy", "incomplete", "unhealthy"
REMINDER = timedelta(hours=1)

#: Kinds of problems that a stream may have for a while and nobody needs to hurry for.
_CALM = {"gap", "quarantine"}
#: Kinds that are told; others are the next run's work, or of the whole database.
_TOLD = _CALM | {"behind", "stalled", "old", "lost", "failed"}


class Message(NamedTuple):
    """What is to be told: the last word of the event's name, and the text for a person."""

    event: str  # unhealthy, incomplete, recovered or reminder
    text: str


class Change(NamedTuple):
    """The health to store, and the message, if one is due."""

    health: Health
    message: Message | None


def next_health(
    name: str, before: Health | None, problems: Sequence[Problem], now: datetime
) -> Change:
    """Compare the health that was stored with the problems found now.

    `name` says which stream it is; `before` None: a first run, which says nothing if all is well.
    """
    told = [one for one in problems if one.kind in _TOLD]
    health, reason = _state(told), "; ".join(one.text for one in told) or None
    before = before or Health(HEALTHY, now)
    if health != before.health:
        return Change(Health(health, now, reason, now), _changed(name, before, health, reason, now))
    if health == HEALTHY or not _is_reminder_due(before, reason, now):
        return Change(before, None)
    text = f"{name} is still {health}, since {utc(before.since)}: {reason}"
    return Change(Health(health, before.since, reason, now), Message("reminder", text))


def _state(told: Sequence[Problem]) -> str:
    if not told:
        return HEALTHY
    return INCOMPLETE if {one.kind for one in told} <= _CALM else UNHEALTHY


def _changed(name: str, before: Health, health: str, reason: str | None, now: datetime) -> Message:
    if health != HEALTHY:
        return Message(health, f"{name} is {health}: {reason}")
    lasted = duration((now - before.since).total_seconds())
    text = f"{name} is healthy again, after {lasted}; it was {before.health}: {before.reason}"
    return Message("recovered", text)


def _is_reminder_due(before: Health, reason: str | None, now: datetime) -> bool:
    if before.told_at is not None and now - before.told_at < REMINDER:
        return False
    return before.health == UNHEALTHY or reason != before.reason
