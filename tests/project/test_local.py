"""`make run` with wrong input: one clear line, nothing started, no secret printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
    variables: dict[str, str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.local", "run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}/src:{ROOT}"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "planted" not in done.stderr
    assert list((tmp_path / ".sorobanflow").iterdir()) == []
