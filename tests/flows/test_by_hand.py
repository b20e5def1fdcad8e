"""A flow that is run by hand: what is refused before a run, and a failure in one line."""

import io
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from prefect.flows import Flow
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.audit import audit
from flows.backfill import backfill
from flows.backfill_range import backfill_range
from flows.export import export
from flows.harness.terminal import run_flow
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer
from tests.flows.losing_proxy import losing_proxy
from tests.ledgers import generated

Serve = Callable[..., DevnetServer]
SaveBlocks = Callable[[str], dict[str, str]]

SAVE = "save it in the Prefect UI or with `sorobanflow blocks`"
TO_COME = r"is above the source's newest ledger 3; it has 1 to 3, and .*"
RANGE = ("start_ledger=1", "end_ledger=3")
#: A flow, what is typed after the names of its saved blocks, and what it says.
REFUSED: list[tuple[Flow[..., Any], tuple[str, ...], str]] = [
    (index, ("rpc=nobody",), rf"the stellar-rpc block 'nobody' is not saved.* {SAVE}"),
    (index, ("database=no",), rf"the sorobanflow-database block 'no' is not saved.* {SAVE}"),
    (backfill, (*RANGE, "source=lak"), rf"the data-lake block 'lak' is not saved.* {SAVE}"),
    (audit, ("lake=nowhere",), rf"the data-lake block 'nowhere' is not saved.* {SAVE}"),
    (
        export,
        ("table=token_operation",),
        r"'token_operation' is no table or view with ledgers; did you mean token_operations\? "
        r"There are: .*transfers.*",
    ),
    (backfill, ("start_ledger=1", "end_ledger=9"), f"end_ledger 9 {TO_COME}"),
    (index, ("start_ledger=9",), f"start_ledger 9 {TO_COME}"),
    (audit, ("end_ledger=9",), f"end_ledger 9 {TO_COME}"),
    (export, ("table=events", "last_ledger=9"), "stream 'all' lacks 4-9 of ledgers 1-9; .*"),
    (export, ("table=events", "folder=/proc/no"), "the folder /proc/no cannot be written: .*"),
    (index, ("folow_s=3",), r"index has no parameter 'folow_s'; did you mean follow_s\?"),
    (index, ("30",), "'30' is not a parameter; expected name=value"),
    (export, ("table=events", "rpc=x"), "export has no parameter 'rpc'; it has table, .*"),
]


def test_what_cannot_work_is_refused_before_a_run(
    serve: Serve,
    save_blocks: SaveBlocks,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    saved = save_blocks(serve(Chain(generated(), closed=3)).url)
    index(**saved, start_ledger="oldest")
    capsys.readouterr()
    caplog.clear()
    for flow, arguments, said in REFUSED:
        known = {name: f"{name}={value}" for name, value in saved.items()}
        if flow is export:
            del known["rpc"]
        typed = [*known.values(), *arguments]
        assert run_flow(flow, typed) == 2
        told = capsys.readouterr().err
        assert re.fullmatch(f"error: {said}\n", told), told
    assert "Beginning flow run" not in caplog.text


def test_help_describes_every_parameter_and_runs_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for kind in (index, backfill_range, export):
        assert run_flow(kind, ["start_ledger=5", "--help"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"usage: python -m flows.{kind.name.replace('-', '_')} ")
        assert [one for one in kind.parameters.properties if f"  {one}: " not in said] == []


def test_failure_is_one_line_and_the_log_has_no_trace(
    save_blocks: SaveBlocks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    handlers = [PrefectConsoleHandler(terminal)]
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers)
    blocks = save_blocks("http://127.0.0.1:9")
    typed = [f"{name}={value}" for name, value in blocks.items()]
    assert run_flow(index, [*typed, "fetch_plan=hashes"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: fetch_plan 'hashes' fetches only transactions that have events")
    assert told.count("\n") == 1
    log = terminal.getvalue()
    assert "Beginning flow run" in log
    assert "Traceback" not in log
    assert "hashes" not in log


def test_run_whose_final_state_was_answered_and_the_answer_lost_is_what_it_was(
    serve: Serve, save_blocks: SaveBlocks, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = save_blocks(serve(Chain(generated(first=100), closed=3)).url)
    typed = [f"{name}={value}" for name, value in blocks.items()]
    server = (PREFECT_API_URL.value() or "").removesuffix("/api")
    with losing_proxy(server) as (url, lost), temporary_settings({PREFECT_API_URL: f"{url}/api"}):
        assert run_flow(index, [*typed, "start_ledger=50", "allow_gap=true"]) == 1
        incomplete = capsys.readouterr()
        assert run_flow(index, typed) == 0
    assert [*lost.values()] == ["Incomplete", "Completed"]
    assert incomplete.err.startswith("incomplete: indexed 3 ledgers (100-102)")
    assert incomplete.out.startswith("indexed 3 ledgers (100-102)")
    assert capsys.readouterr().out.startswith("nothing new: ledgers 100-102 were covered already")
