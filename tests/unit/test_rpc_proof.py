"""The tables of `proof`, row by row."""

import pytest

from sorobanflow.errors import LedgerOutsideRetentionError, NodeBehindError, RpcProtocolError
from sorobanflow.sources.rpc.positions import LastItem
from sorobanflow.sources.rpc.proof import (
    events_page_end,
    is_proved,
    missing_ledger,
    transactions_page_end,
    usable_cursor,
)
from sorobanflow.toid import MAX_TX, Position, TxPosition, end_of_ledger, parse_transactions_cursor

REACHED, TIP = TxPosition(10, 3), TxPosition(14, MAX_TX)
EVENT, START = Position(10, 3, 0, 1), end_of_ledger(9)


@pytest.mark.parametrize(
    ("cursor", "usable"),
    [
        ("", None),
        ("0", None),  # of a node that is behind
        (TxPosition(10, 0).cursor, None),  # caught up: the start of the latest ledger
        (REACHED.cursor, REACHED),
        (TxPosition(12, 5).cursor, TxPosition(12, 5)),
        (TIP.cursor, TIP),
        (TxPosition(15, 0).cursor, None),  # after the tip
    ],
)
def test_usable_cursor(cursor: str, usable: TxPosition | None) -> None:
    assert usable_cursor(cursor, parse_transactions_cursor, REACHED, TIP) == usable


@pytest.mark.parametrize(
    ("last", "cursor", "page_end"),
    [
        (LastItem(EVENT, True), end_of_ledger(12), end_of_ledger(12)),
        (LastItem(EVENT, False), end_of_ledger(12), end_of_ledger(12)),
        (LastItem(START, False), end_of_ledger(12), end_of_ledger(12)),
        (LastItem(EVENT, True), EVENT, EVENT),
        (LastItem(EVENT, True), Position(11, 1, 0, 0), EVENT),
        (LastItem(EVENT, True), None, EVENT),
        (LastItem(EVENT, False), Position(11, 1, 0, 0), Position(11, 1, 0, 0)),
        (LastItem(START, False), Position(11, 1, 0, 0), Position(11, 1, 0, 0)),
        (LastItem(EVENT, False), None, EVENT),
        (LastItem(START, False), None, START),
    ],
)
def test_events_page_end(
    last: LastItem[Position], cursor: Position | None, page_end: Position
) -> None:
    assert events_page_end(last, cursor) == page_end


TX, NONE = TxPosition(11, 2), TxPosition(10, 3)


@pytest.mark.parametrize(
    ("is_empty", "last", "cursor", "page_end"),
    [
        (False, LastItem(TX, True), None, TX),
        (False, LastItem(TX, True), TX, TX),
        (False, LastItem(TX, True), TxPosition(14, 0), TX),
        (False, LastItem(TX, False), TxPosition(11, 3), TxPosition(11, 3)),
        (False, LastItem(TX, False), None, TX),
        (False, LastItem(NONE, True), None, NONE),  # known transactions alone
        (True, LastItem(NONE, False), TxPosition(13, 0), TxPosition(13, 0)),
        (True, LastItem(NONE, False), NONE, NONE),
        (True, LastItem(NONE, False), TxPosition(14, 0), TIP),
        (True, LastItem(NONE, False), None, TIP),
    ],
)
def test_transactions_page_end(
    is_empty: bool, last: LastItem[TxPosition], cursor: TxPosition | None, page_end: TxPosition
) -> None:
    assert transactions_page_end(is_empty, last, cursor, TIP) == page_end


@pytest.mark.parametrize(
    ("page_end", "end", "outcome"),
    [
        # At or after the end of the range.
        (TxPosition(12, 0), TxPosition(11, MAX_TX), True),
        (TxPosition(12, 4), TxPosition(12, 4), True),
        (TIP, TIP, True),
        # At the tip, which is before the end.
        (TIP, TxPosition(15, MAX_TX), NodeBehindError),
        # After `reached`, before the tip.
        (TxPosition(12, 4), TxPosition(12, MAX_TX), False),
        (TxPosition(12, 4), TxPosition(15, MAX_TX), False),
        # Not after `reached`.
        (REACHED, TxPosition(15, MAX_TX), NodeBehindError),
        (TxPosition(9, MAX_TX), TxPosition(15, MAX_TX), NodeBehindError),
        (REACHED, TxPosition(12, MAX_TX), RpcProtocolError),
        (REACHED, TIP, RpcProtocolError),
    ],
)
def test_is_proved(page_end: TxPosition, end: TxPosition, outcome: bool | type[Exception]) -> None:
    if isinstance(outcome, bool):
        assert is_proved("getTransactions", page_end, REACHED, end, TIP) is outcome
    else:
        with pytest.raises(outcome):
            is_proved("getTransactions", page_end, REACHED, end, TIP)


@pytest.mark.parametrize(
    ("ledger", "error"),
    [
        (9, LedgerOutsideRetentionError),
        (10, None),
        (14, None),
        (15, NodeBehindError),
    ],
)
def test_missing_ledger(ledger: int, error: type[Exception] | None) -> None:
    assert isinstance(missing_ledger(ledger, oldest=10, latest=14), error or type(None))
