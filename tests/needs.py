"""What some tests need that a machine may lack: without it they are skipped, under CI they fail."""

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str) -> str:
    """Give the path of a program of the package of the same name."""
    found = shutil.which(name, path=f"{os.environ.get('PATH')}:/usr/sbin")
    return found or missing(f"{name} is not installed; `apt-get install {name}` has it")


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it under CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
