"""Generated ledgers: the same every time, exact counts, every kind of transaction."""

from collections import Counter
from pathlib import Path

import pytest
from stellar_sdk import xdr

from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.generator.generator import SCENES
from sorobanflow.devnet.state import TipFile
from sorobanflow.errors import ConfigurationError


def contents(generator: Generator, sequence: int) -> list[tuple[str, ...]]:
    return [
        (each.hash, each.status, each.envelope_xdr, each.result_xdr, each.result_meta_xdr)
        for each in generator.ledger(sequence).transactions
    ]


def test_ledgers_do_not_depend_on_the_order_of_asking() -> None:
    forth, back = Generator(3), Generator(3)
    ascending = [contents(forth, sequence) for sequence in (5, 6, 7)]
    descending = [contents(back, sequence) for sequence in (7, 6, 5)]
    assert ascending == descending[::-1]


def test_another_seed_gives_other_transactions() -> None:
    hashes = {each[0] for seed in (1, 2) for each in contents(Generator(seed), 5)}
    assert len(hashes) == 20


def test_hash_of_a_ledger_stays_as_it_was() -> None:
    first = Generator(1).ledger(1).transactions[0]
    assert first.hash == "5fab401d59690f11640aa5743ade7330b6cff5f704278b17dc83bbd17a746514"


def test_uniform_totals_are_exact() -> None:
    ledger = Generator(1, transactions_per_ledger=40, events_per_transaction=5).ledger(2)
    assert len(ledger.transactions) == 40
    assert len(ledger.events) == 200
    assert {each.status for each in ledger.transactions} == {"SUCCESS"}
    assert set(Counter(each.tx_hash for each in ledger.events).values()) == {5}


def test_few_ledgers_hold_every_kind() -> None:
    generator = Generator(1, transactions_per_ledger=20)
    transactions = [each for seq in range(1, 11) for each in generator.ledger(seq).transactions]
    events = [each for seq in range(1, 11) for each in generator.ledger(seq).events]
    assert len(transactions) == 10 * len(SCENES)
    kinds = Counter((each.fee_bump, each.status) for each in transactions)
    assert min(kinds.values()) >= 1
    assert len(kinds) == 4
    stages = {(each.position.tx in (0, 2**20 - 1), each.position.op == 4095) for each in events}
    assert stages == {(True, False), (False, True), (False, False)}
    verbs = {
        xdr.SCVal.from_xdr_bytes(each.event.topics[0]).to_json()
        for each in events
        if each.event.topics
    }
    wanted = ("transfer", "mint", "burn", "clawback", "approve", "set_authorized", "fee")
    assert {f'{{"symbol": "{verb}"}}' for verb in wanted} <= verbs
    assert {each.event.type for each in events} == {0, 1}


@pytest.mark.parametrize(
    "wrong", [{"first": 0}, {"transactions_per_ledger": -1}, {"events_per_transaction": 0}]
)
def test_generator_refuses(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Generator(1, **wrong)


def test_tip_file_keeps_the_number(tmp_path: Path) -> None:
    tip = TipFile(tmp_path / "tip")
    assert tip.read() is None
    tip.write(41)
    tip.write(42)
    assert TipFile(tmp_path / "tip").read() == 42
    (tmp_path / "tip").write_text("x")
    with pytest.raises(ConfigurationError):
        tip.read()
