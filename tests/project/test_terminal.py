"""What a flow that is run by hand shows: a bar below its log lines, and a short summary."""

import fcntl
import io
import logging
import os
import pty
import re
import struct
import termios
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from prefect.logging.handlers import PrefectConsoleHandler

from flows.harness.bar import progress_bar, shown_bar
from flows.harness.printed import print_summary
from flows.harness.progress import Pace, Progress
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store import tables
from sorobanflow.store.coverage import Coverage

#: Return to the start of the row and erase it: whatever stood there is gone.
ERASED_ROW = "\r\x1b[2K"
REFRESH_S = 0.6  # a bar is drawn four times a second


@contextmanager
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Have Prefect's log in a pseudo-terminal of 80 columns; gives the end that reads it."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(writing, "w") as stream:
        handler = PrefectConsoleHandler(stream)
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
        yield reading
    os.close(reading)


def _read(terminal: int) -> str:
    os.set_blocking(terminal, False)
    parts: list[bytes] = []
    with suppress(BlockingIOError):
        while True:
            parts.append(os.read(terminal, 4096))
    return b"".join(parts).decode()


def test_bar_stays_below_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    with _terminal(monkeypatch) as terminal:
        with progress_bar():
            progress = Progress("key", 40)
            progress.show(10)
            time.sleep(REFRESH_S)
            logging.getLogger("tests").warning("a log line")
            progress.show(30)
            time.sleep(REFRESH_S)
        shown = _read(terminal)
    before, after = shown.split("a log line")
    assert before.endswith(ERASED_ROW)
    plain = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
    first, last = plain.sub("", before), plain.sub("", after)
    assert re.search(r"indexing ━+╺?━* +10 of 40 ledgers, [\d.]+/s, 0:0\d:\d\d left", first)
    assert "30 of 40 ledgers" in last
    assert all(len(row) <= 80 for row in re.split(r"[\r\n]", first + last))
    assert after.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, and no bar is left


def test_no_bar_where_output_is_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [PrefectConsoleHandler(pipe)])
    with progress_bar():
        assert shown_bar.get() is None
    assert pipe.getvalue() == ""


def test_pace_is_that_of_now() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    for now in (10.0, 20.0, 30.0):
        pace.note(int(now))
    assert pace.per_second() == 1.0
    now = 60.0
    pace.note(330)
    assert pace.per_second() == 10.0  # 300 in 30 s, while 330 in 60 s are 5.5
    assert pace.seconds_for(100) == 10.0
    now = 120.0
    assert pace.per_second() == 0.0  # nothing since
    pace.note(331)
    assert pace.per_second() > 0.0
    assert pace.seconds_for(100) is None  # the wait would count as work


def test_summary_fits_in_fifteen_lines(capsys: pytest.CaptureFixture[str]) -> None:
    names = [table.name for table in tables.metadata.sorted_tables]
    summary = RunSummary(RpcStats(), [LedgerRange(1, 87)], Counter(dict.fromkeys(names, 10)))
    summary.gaps = [LedgerRange(90, 95)]
    summary.finish(Coverage(covered=(LedgerRange(1, 87),)))
    print_summary(summary)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 15
    assert shown[0] == summary.headline()
    assert re.match(r"  health +incomplete: ledgers 90-95 recorded as a gap", shown[1])
    print_summary(summary, verbose=True)
    assert len(capsys.readouterr().out.splitlines()) > 15


def test_summary_in_a_pipe_has_each_value_whole_and_in_its_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [("new: kinds(symbol, bool, u32, i32, map)", "C" * 56 + " and more"), ("short", "")]
    summary = RunSummary(RpcStats())
    monkeypatch.setattr(summary, "brief", lambda: lines)
    print_summary(summary)
    shown = capsys.readouterr().out.splitlines()[1:3]
    assert shown == [f"  {lines[0][0]}  {lines[0][1]}", "  short"]
