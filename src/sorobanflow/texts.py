"""How values are written for a person; `ledgers` writes ledger ranges."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import zip_longest
from textwrap import wrap

from humanize import naturalsize, precisedelta

HOUR_S, DAY_S = 3600, 86_400

#: Characters of a Markdown table's row and of its label: Prefect's UI wraps no cell, and cuts
#: what is wider than the page.
ROW_WIDTH, LABEL_WIDTH = 98, 34


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
    rows: Iterable[tuple[str, str]], header: tuple[str, str] = ("", "")
) -> list[str]:
    """Give the lines of a Markdown table of two columns; what is too wide goes on in a next row."""
    texts = list(rows)
    widest = max((len(label) for label, _ in (header, *texts)), default=0)
    width = ROW_WIDTH - min(widest, LABEL_WIDTH)
    cells = [header, *(row for label, value in texts for row in _wrapped(label, value, width))]
    lines = [f"| {markdown_text(label)} | {markdown_text(value)} |" for label, value in cells]
    return [lines[0], "|---|---|", *lines[1:]]


def markdown_text(text: str) -> str:
    """Escape what would break a table's cell, or make a link or an element of foreign text."""
    return re.sub(r"([|<\[])", r"\\\1", text)


def _wrapped(label: str, value: str, width: int) -> Iterator[tuple[str, str]]:
    labels, values = (
        wrap(text, limit, break_on_hyphens=False)
        for text, limit in ((label, LABEL_WIDTH), (value, width))
    )
    return zip_longest(labels or [""], values or [""], fillvalue="")
