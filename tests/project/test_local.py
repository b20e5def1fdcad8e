"""`make run` with wrong input: one clear line, nothing started, no secret printed."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local import main


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put the handlers of signals back, which the command replaces in its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"START": "soon"}, "START=soon: expected a ledger number, oldest or latest"),
        ({"START": "0"}, "START=0: expected a ledger number"),
        ({"FOLLOW": "abc"}, "FOLLOW=abc: expected seconds"),
        ({"UI_PORT": "x"}, "UI_PORT=x: expected a port"),
        ({"METRICS_PORT": "70000"}, "METRICS_PORT=70000: expected a port"),
        ({"RECORDING": "nowhere.gz"}, "RECORDING=nowhere.gz: there is no such file"),
        ({"RPC_URL": "http://x", "RECORDING": "y"}, "give one of them"),
        ({"DATABASE_URL": "postgres//me:planted@h/db"}, "not a libpq connection string"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(
    variables: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["local", "run"])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main() == 1
    said = capsys.readouterr()
    assert message in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "planted" not in said.err
    assert list((tmp_path / ".sorobanflow").iterdir()) == []
