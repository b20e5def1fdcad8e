"""The chain: its clock, its window and the listed source."""

import pytest

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.listed import ListedLedgers
from sorobanflow.devnet.node import Node
from sorobanflow.devnet.supply import Ledger, Network
from sorobanflow.errors import ConfigurationError

NETWORK = Network("test", 27)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def listed(last: int) -> ListedLedgers:
    return ListedLedgers([Ledger(7, 123, 27)], 1, last, NETWORK)


def test_ledgers_close_as_time_passes() -> None:
    clock = Clock()
    chain = Chain(Generator(first=50), closed=10, close_every_s=5.0, clock=clock)
    assert chain.window() == (50, 59)
    clock.now += 4.9
    assert chain.window() == (50, 59)
    clock.now += 25.2
    assert chain.window() == (50, 65)


def test_retention_trims_the_oldest() -> None:
    chain = Chain(Generator(), closed=10, retention=4)
    assert chain.window() == (7, 10)
    assert chain.close(100) == (107, 110)


def test_finite_source_is_closed_whole_and_ends() -> None:
    chain = Chain(listed(30))
    assert chain.window() == (1, 30)
    assert chain.close(5) == (1, 30)


def test_finite_source_can_close_by_and_by() -> None:
    chain = Chain(listed(30), closed=2)
    assert [chain.close().last for _ in range(3)] == [3, 4, 5]


def test_ledgers_not_listed_are_empty() -> None:
    source = listed(30)
    assert source.ledger(7).close_time == 123
    assert source.ledger(8).transactions == ()
    assert source.ledger(8).close_time == 1767225640


@pytest.mark.parametrize("wrong", [{"closed": 0}, {"retention": 0}, {"close_every_s": 0.0}])
def test_chain_refuses(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Chain(listed(30), **wrong)  # type: ignore[arg-type]


def test_close_times_make_no_ledger() -> None:
    class Lazy(ListedLedgers):
        def ledger(self, sequence: int) -> Ledger:
            raise AssertionError(f"made ledger {sequence}")

        def close_time(self, sequence: int) -> int:
            return 1000 + sequence

    health = Node(Chain(Lazy([], 1, 30, NETWORK))).call("getHealth", None)
    assert health["latestLedgerCloseTime"] == "1030"
