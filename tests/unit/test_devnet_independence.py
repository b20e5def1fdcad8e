"""The devnet shares no code with what it tests."""

import re
from pathlib import Path

import sorobanflow.devnet

ALLOWED = {"devnet", "errors", "ledgers", "ports", "toid"}


def test_devnet_imports_nothing_of_the_indexer() -> None:
    folder = Path(sorobanflow.devnet.__file__).parent
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    assert set(re.findall(r"from sorobanflow\.(\w+)", text)) <= ALLOWED
    assert "import sorobanflow" not in text
    assert "httpx" not in text
