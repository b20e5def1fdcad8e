"""Real calls and events by name: how many have one, and why the others have none."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.named_activity import (
    Activity,
    Names,
    interfaces,
    of_core_tests,
    of_corpus,
    of_recording,
)
from tests.whole_ledgers import CORE_PASSPHRASE, PUBNET

RECORDINGS = {
    "pubnet-51000294": ({"asset contract: named": 5}, {"asset contract: named": 969}),
    "pubnet-63092990": (
        {"asset contract: named": 13, "with a spec: named": 2},
        {"asset contract: named": 633, "with a spec: undeclared": 2},
    ),
    "pubnet-63800060": ({}, {"asset contract: named": 209}),
}
UNKNOWN = "Wasm not in the data"


def known(counts: Counter[str]) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if not kind.startswith(UNKNOWN)}


@pytest.mark.parametrize("name", RECORDINGS)
def test_calls_and_events_of_pubnet_are_named(test_data: Path, name: str) -> None:
    path = test_data / "recordings" / f"{name}.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        passphrase = json.loads(next(lines))["passphrase"]
    names = Names(passphrase, interfaces(test_data))
    for activity in of_recording(path):
        names.add(activity)
    assert (known(names.calls), known(names.events)) == RECORDINGS[name]
    assert set(names.inferred()) == {"named", "shapes"}


def test_calls_and_events_of_the_effects_cases_are_named(
    test_data: Path, corpus: Callable[[str], list[dict[str, Any]]]
) -> None:
    names = Names(PUBNET, interfaces(test_data))
    add_chains(names, ([one] for one in of_corpus(corpus("effects-cases")[1:])))
    assert known(names.calls) == {"asset contract: named": 1, "with a spec: named": 1}
    assert names.inferred() == {"named": 20, "shapes": 13}


def add_chains(names: Names, chains: Iterator[list[Activity]]) -> None:
    for chain in chains:
        names.forget()
        for activity in chain:
            names.add(activity)


@pytest.mark.long
def test_calls_and_events_of_the_core_tests_are_named(test_data: Path) -> None:
    """What has no name calls functions with arguments that they do not take."""
    names = Names(CORE_PASSPHRASE, interfaces(test_data))
    add_chains(names, of_core_tests(test_data))
    assert names.calls == {
        "with a spec: named": 818,
        "asset contract: named": 29,
        "with a spec: other arguments": 2,
    }
    assert names.events == {"with a spec: undeclared": 15, "asset contract: named": 169}
    assert names.inferred() == {"named": 15, "shapes": 3}


@pytest.mark.long
def test_calls_of_the_corpus_are_named(
    test_data: Path, corpus: Callable[[str], list[dict[str, Any]]]
) -> None:
    """What has no name calls what the Wasm does not have: `add$`, `aaa\\xc5a`, `add` of three."""
    names = Names(CORE_PASSPHRASE, interfaces(test_data))
    add_chains(names, ([one] for one in of_corpus(corpus("core-tests")[1:])))
    assert known(names.calls) == {
        "with a spec: named": 1124,
        "asset contract: named": 31,
        "with a spec: other arguments": 3,
        "with a spec: undeclared": 9,
    }
    assert names.inferred() == {"named": 99, "shapes": 7}
