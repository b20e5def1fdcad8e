"""How values are written for a person; `ledgers` writes ledger ranges."""

from collections.abc import Iterable
from datetime import datetime

from humanize import naturalsize, precisedelta

HOUR_S, DAY_S = 3600, 86_400


def duration(seconds: float) -> str:
    """Write a duration in two units at most: 3 minutes and 20 seconds, 5 days and 18 hours."""
    smallest = "seconds" if seconds < HOUR_S else "minutes" if seconds < DAY_S else "hours"
    return precisedelta(seconds, smallest, suppress=("months", "years"), format="%.0f")


def size(size_bytes: int) -> str:
    """Write a number of bytes in its largest binary unit: 5.0 GiB."""
    return naturalsize(size_bytes, binary=True)


def count(number: int, noun: str) -> str:
    """Write a number of things: 1 ledger, 1,400 ledgers."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def utc(moment: datetime) -> str:
    """Write a time that is in UTC, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def markdown_table(
    rows: Iterable[tuple[str, str]], header: tuple[str, str] = ("", ""), columns: str = "|---|---|"
) -> list[str]:
    """Give the lines of a Markdown table of two columns; `columns` is the line that aligns them."""
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in (header, *rows))
    lines = [f"| {label} | {value} |" for label, value in escaped]
    return [lines[0], columns, *lines[1:]]
