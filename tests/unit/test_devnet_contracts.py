"""The exchange of the generated chain does what its Wasms say, before and after its upgrade."""

from collections import Counter
from typing import Any

from stellar_sdk import StrKey, xdr

from sorobanflow.contracts.matching import NamedEvent, name_event
from sorobanflow.contracts.reading import read_interface
from sorobanflow.contracts.spec import Spec
from sorobanflow.devnet.generator.cast import EXCHANGE
from sorobanflow.devnet.generator.wasms import exchange_wasm, token_wasm
from tests.ledgers import generated

OURS = StrKey.decode_contract(EXCHANGE)
UPGRADED = 7  # a ledger without other events of the exchange


def emitted() -> list[tuple[int, list[Any], Any]]:
    """Ledger, topics and data of the exchange's events, up to ledger 16."""
    events = [one for ledger in range(1, 17) for one in generated().ledger(ledger).events]
    return [
        (one.position.ledger, [*map(sep51, one.event.topics)], sep51(one.event.value))
        for one in events
        if one.event.contract.endswith(OURS) and one.event.type == xdr.ContractEventType.CONTRACT
    ]


def sep51(data: bytes) -> Any:
    return xdr.SCVal.from_xdr_bytes(data).to_json_dict()


def spec_of(wasm: bytes) -> Spec:
    interface = read_interface(wasm)
    assert not interface.problems
    return interface.spec


def test_events_are_those_that_the_wasm_of_their_ledger_declares() -> None:
    specs = [spec_of(exchange_wasm(version)) for version in (1, 2)]
    names = Counter[tuple[str, int]]()
    for ledger, topics, value in emitted():
        version = int(ledger > UPGRADED)
        named, other = (name_event(topics, value, specs[place]) for place in (version, 1 - version))
        assert isinstance(named, NamedEvent)
        assert isinstance(other, NamedEvent) == (named.name != "Swap")
        names[named.name, version + 1] += 1
    assert names == {
        ("Swap", 1): 2,
        ("Swap", 2): 2,
        ("Deposit", 1): 1,
        ("Deposit", 2): 1,
        ("OrderRejected", 2): 1,
    }


def test_the_token_declares_no_events() -> None:
    spec = spec_of(token_wasm())
    assert spec.functions
    assert spec.events == ()
