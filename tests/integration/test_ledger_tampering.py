"""Changed where hashes cover it, an object of whole ledgers is refused, whatever the change is."""

from itertools import cycle, islice
from pathlib import Path
from random import Random

import pytest

from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.transactions import network_id
from sorobanflow.errors import DecodeError, LedgerProofError
from sorobanflow.sources.items import Event, LedgerObject
from sorobanflow.toid import MAX_TX, parse_event_id
from tests.integration.core_ledgers import CORE_NETWORK, CoreLedger, read_core
from tests.integration.ledger_draft import Draft
from tests.integration.tampering import TAMPERINGS
from tests.whole_ledgers import PUBNET, framed_ledgers, one_object

UNREADABLE = "unreadable"


def refusal(tampered: LedgerObject, network: bytes = CORE_NETWORK) -> str:
    """Name the check that refuses an object; any error but these two is a failure."""
    try:
        for _ in read_object(tampered, network):
            pass
    except LedgerProofError as error:
        return error.check if error.origin == tampered.name else "of no origin"
    except DecodeError as error:
        return UNREADABLE if str(error).startswith(tampered.name) else "of no origin"
    return ""


def tamper(name: str, ledgers: list[CoreLedger], random: Random) -> LedgerObject:
    """Change a ledger that is drawn, of those that can be changed so."""
    while True:
        draft = Draft(random.choice(ledgers), random)
        change, _ = TAMPERINGS[name]
        change(draft)
        if draft.is_changed:
            return draft.object


def suited(name: str, ledgers: list[CoreLedger]) -> list[CoreLedger]:
    """Those that can be changed so: few hold several transactions, or events of operations."""
    if name in ("two transactions swapped", "two results swapped"):
        return [one for one in ledgers if len(one.meta.transactions) > 1]
    if name in (
        "a byte of a call's events",
        "an event altered",
        "an event removed",
        "an event repeated",
    ):
        return [one for one in ledgers if any(map(is_of_operation, one.meta.events))]
    return ledgers


def is_of_operation(event: Event) -> bool:
    return 0 < parse_event_id(event.id).tx < MAX_TX


@pytest.mark.parametrize("count", [2 * len(TAMPERINGS), pytest.param(1000, marks=pytest.mark.long)])
def test_every_change_is_refused(test_data: Path, count: int) -> None:
    random = Random(16)
    ledgers = [one for one in read_core(test_data) if one.meta.transactions]
    pools = {name: suited(name, ledgers) for name in TAMPERINGS}
    for name in islice(cycle(TAMPERINGS), count):
        assert refusal(tamper(name, pools[name], random)) in allowed(name), name


def allowed(name: str) -> tuple[str, ...]:
    """The refusals of a change: a changed byte can also make a ledger unreadable."""
    _, check = TAMPERINGS[name]
    return (check, UNREADABLE) if "byte" in name else (check,)


@pytest.mark.long
@pytest.mark.parametrize("stem", ["pubnet-51000294", "pubnet-63092990"])
def test_every_change_of_a_large_ledger_is_refused(test_data: Path, stem: str) -> None:
    random, network = Random(16), network_id(PUBNET)
    ledger = next(framed_ledgers(test_data, stem))
    [meta] = read_object(one_object(ledger), network)
    refused = set()
    for name, (change, _) in TAMPERINGS.items():
        draft = Draft(CoreLedger([ledger], 0, meta), random)
        change(draft)
        if draft.is_changed and not name.endswith("sealed"):
            assert refusal(draft.object, network) in allowed(name), name
            refused.add(name)
    assert len(refused) > 20


def test_unchanged_is_read(test_data: Path) -> None:
    """The drafts themselves are right: without a change nothing is refused."""
    random = Random(16)
    for core in random.sample(read_core(test_data), 20):
        assert refusal(Draft(core, random).object) == ""
