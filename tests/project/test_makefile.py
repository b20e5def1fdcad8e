"""`make`: its help is complete, and a variable that would do nothing is refused."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from docs.generator.environment import MAKE_VARIABLES

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
OF_AN_OUTER_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def _make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=ROOT,
        # Not as a part of the `make test` that may run this.
        env={key: value for key, value in os.environ.items() if key not in OF_AN_OUTER_MAKE},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_target_and_variable() -> None:
    shown = "\n".join(re.findall(r"^#: ?(.*)", MAKEFILE, re.MULTILINE))
    targets = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)
    assert sorted(re.findall(r"^  make ([\w-]+) ", shown, re.MULTILINE)) == sorted(targets)
    variables = {one.name for one in MAKE_VARIABLES if "`make" in one.read_by} | {"PYTHON"}
    assert set(re.findall(r"^  ([A-Z_]+) ", shown, re.MULTILINE)) == variables
    assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("RPC=https://node/?key=planted", "RPC; did you mean RPC_URL?"),
        ("lake=folder", "lake; did you mean LAKE?"),
        ("ZZZ=1", "ZZZ; these are known: RPC_URL RECORDING LAKE"),
    ],
)
def test_unknown_variable_is_refused(argument: str, hint: str) -> None:
    done = _make("run", argument)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr
    assert "planted" not in done.stderr


def test_unknown_target_names_the_help() -> None:
    done = _make("runn")
    assert done.returncode == 2
    assert re.fullmatch(r".*there is no target runn; `make help` lists them.*\n", done.stderr)


def test_known_variables_are_accepted() -> None:
    given = [f"{one.name}=1" for one in MAKE_VARIABLES if "`make" in one.read_by]
    assert _make("run", *given, "PYTHON=python3").returncode == 0
