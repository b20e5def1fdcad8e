"""Count what the real data of the tests has names for, and why the rest has none.

    python -m tests.integration.named_report

Names are those of `sorobanflow.contracts.matching`, which the views give too. Shapes of events that
nothing declares are learnt from the same events, as `sorobanflow contract add` does.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import markdown, test_data
from tests.integration.named_activity import (
    Activity,
    Names,
    interfaces,
    of_core_tests,
    of_corpus,
    of_recording,
)
from tests.whole_ledgers import CORE_PASSPHRASE, PUBNET

COLUMNS = ("source", "calls", "named", "events", "declared", "asset", "inferred")
RECORDINGS = ("applyload-10048", "pubnet-51000294", "pubnet-63092990", "pubnet-63800060")


def main() -> None:
    """Print a row for each source, and how often which kind has no name."""
    data = test_data()
    codes = interfaces(data).values()
    with_spec = sum(bool(one.spec.entries) for one in codes)
    print(f"{len(codes)} Wasms: {with_spec} with a spec", end=", ")
    print(f"{sum(bool(one.spec.events) for one in codes)} declare events")
    rows, unnamed = [], Counter[str]()
    for source, names in _sources(data):
        rows.append((source, *_figures(names)))
        unnamed += _unnamed(names)
    print(markdown(COLUMNS, rows))
    for kind, count in unnamed.most_common():
        print(f"{count:>6} {kind}")


def _sources(data: Path) -> Iterator[tuple[str, Names]]:
    for stem in RECORDINGS:
        path = data / "recordings" / f"{stem}.jsonl.gz"
        passphrase = _head(path)["passphrase"]
        yield f"recordings/{stem}", _named(data, passphrase, [of_recording(path)])
    for stem, passphrase in (("core-tests", CORE_PASSPHRASE), ("effects-cases", PUBNET)):
        with gzip.open(data / "corpus" / f"{stem}.jsonl.gz", "rt") as lines:
            rows = [json.loads(line) for line in lines][1:]
        yield f"corpus/{stem}", _named(data, passphrase, (of_corpus([one]) for one in rows))
    yield "ledgers/core-tests", _named(data, CORE_PASSPHRASE, of_core_tests(data))


def _head(path: Path) -> Any:
    with gzip.open(path, "rt") as lines:
        return json.loads(next(lines))


def _named(data: Path, passphrase: str, chains: Iterable[Iterable[Activity]]) -> Names:
    names = Names(passphrase, interfaces(data))
    for chain in chains:
        names.forget()
        for activity in chain:
            names.add(activity)
    return names


def _figures(names: Names) -> tuple[int, ...]:
    """Give calls, named ones, events, and those named in each way."""
    sources = ("with a spec: named", "asset contract: named")
    calls = names.calls.total(), sum(names.calls[one] for one in sources)
    events = [names.events[one] for one in sources]
    return (*calls, names.events.total(), *events, names.inferred()["named"])


def _unnamed(names: Names) -> Counter[str]:
    kinds = Counter({f"call: {kind}": count for kind, count in names.calls.items()})
    kinds += Counter({f"event: {kind}": count for kind, count in names.events.items()})
    return Counter({kind: count for kind, count in kinds.items() if not kind.endswith("named")})


if __name__ == "__main__":
    main()
