"""A progress bar for a flow that is started by hand in a terminal.

It stays below the log lines, on standard error, and goes when the flow ends. Where standard
error is no terminal there is none; then `progress` logs lines. Invariant: it only reads what it
shows, so it changes nothing in a run.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Column, Table

BAR_COLUMNS = 20


class View(NamedTuple):
    """What a bar shows: what is done, how far it is, and the figures after the bar."""

    doing: str
    done: float = 0.0
    total: float = 0.0  # 0: not known
    figures: str = ""


class Bar:
    """Shows a view, which is read anew several times a second, by a thread."""

    def __init__(self) -> None:
        self.read: Callable[[], View] = lambda: View("starting")
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        view = self.read()
        grid = Table.grid(
            "", "", "", Column(no_wrap=True, overflow="ellipsis"), padding=(0, 1, 0, 0)
        )
        bar: RenderableType = ""
        if view.total:
            share = min(view.done, view.total)
            # Prefect's console knows none of the names of styles that are the default here.
            bar = ProgressBar(
                view.total, share, BAR_COLUMNS, False, "grey35", "green", "green", "green"
            )
        grid.add_row(self._spinner, view.doing, bar, view.figures)
        return grid


#: The bar of this process, where there is one.
shown_bar: ContextVar[Bar | None] = ContextVar("shown_bar", default=None)


@contextmanager
def progress_bar() -> Iterator[None]:
    """Show a bar while a flow runs, if standard error is a terminal."""
    console = _console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    bar = Bar()
    token = shown_bar.set(bar)
    try:
        with Live(bar, console=console, transient=True, redirect_stdout=sys.stdout.isatty()):
            yield
    finally:
        shown_bar.reset(token)


def _console() -> Console:
    """Give the console of Prefect's log: only what it writes itself stays above the bar."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            return handler.console
    return Console(stderr=True)
