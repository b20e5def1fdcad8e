"""What a walk keeps of pages: each item once, in the order of the chain, up to its end."""

from operator import attrgetter

import msgspec

from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.positions import Collected
from sorobanflow.toid import TxPosition
from tests.unit.rpc_node import transaction

START, END, TIP = TxPosition(10, 0), TxPosition(10, 4), TxPosition(12, 99)


def _kept(*pages: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Give ledger and order of what is kept of pages of transactions: ledger, order, number."""
    collected: Collected[Transaction, TxPosition] = Collected(
        START, END, attrgetter("tx_hash"), lambda _, after: after
    )
    after = START
    for page in pages:
        items = [(TxPosition(*place), _item(*place, number)) for *place, number in page]
        after = collected.add(items, after, TIP).position
    kept = collected.in_order(END)
    assert not any(isinstance(item, Malformed) for item in kept)
    return [(item.ledger, item.application_order) for item in kept]  # type: ignore[union-attr]


def _item(ledger: int, order: int, number: int) -> Transaction:
    fields = {**transaction(ledger, order), "txHash": f"{number:064x}"}
    return msgspec.convert(fields, Transaction, strict=False)


def test_pages_in_order_are_kept_up_to_the_end() -> None:
    assert _kept([(10, 1, 1), (10, 2, 2)], [(10, 4, 4), (10, 5, 5), (11, 1, 6)]) == [
        *((10, 1), (10, 2), (10, 4))
    ]


def test_item_that_comes_again_in_the_same_page_is_kept_once() -> None:
    assert _kept([(10, 1, 1), (10, 2, 1), (10, 3, 3)]) == [(10, 1), (10, 3)]


def test_item_that_comes_again_in_a_later_page_is_kept_once() -> None:
    assert _kept([(10, 1, 1), (10, 2, 2)], [(10, 3, 1), (10, 4, 4)]) == [(10, 1), (10, 2), (10, 4)]
