"""Decide what an answer proves: is the range read, does the walk go on, or is the node behind?

Invariant: the length of a page proves nothing, since a gateway may cut any answer.
A ledger is read to its end when an item or a cursor after its end was seen, or an
empty page from a node whose latest ledger is not before it. Sources: get_events.go,
get_transactions.go and get_transaction.go of stellar-rpc v28.
"""

from collections.abc import Callable

from sorobanflow.errors import (
    DecodeError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcProtocolError,
)
from sorobanflow.sources.rpc.positions import LastItem, PositionT
from sorobanflow.toid import Position, TxPosition


def usable_cursor(
    text: str, parse: Callable[[str], PositionT], reached: PositionT, tip: PositionT
) -> PositionT | None:
    """Read an answer's cursor; give it if it says how far the page goes, else None.

    Nodes that are behind or have no more give one before `reached`, which says nothing.

    Raises:
        RpcProtocolError: it is no cursor of the method.
    """
    if not text:
        return None
    try:
        cursor = parse(text)
    except DecodeError as error:
        raise RpcProtocolError(f"the cursor is wrong: {error}") from None
    return cursor if reached <= cursor <= tip else None


def events_page_end(last: LastItem[Position], cursor: Position | None) -> Position:
    """Give the position up to which a page of getEvents holds everything.

    | the page's last event | usable cursor      | the page ends at |
    |-----------------------|--------------------|------------------|
    | any, or no events     | the end of a ledger | the cursor      |
    | readable              | another, or none   | the event        |
    | malformed, or none    | another            | the cursor       |
    | malformed, or none    | none               | the last readable event, or where it started |
    """
    if cursor is not None and (cursor.ends_ledger or not last.ends_page):
        return cursor
    return last.position


def transactions_page_end(
    is_empty: bool, last: LastItem[TxPosition], cursor: TxPosition | None, tip: TxPosition
) -> TxPosition:
    """Give the position up to which a page of getTransactions holds everything.

    | the page's last transaction | usable cursor        | the page ends at              |
    |-----------------------------|----------------------|-------------------------------|
    | readable                    | any                  | the transaction               |
    | malformed                   | given                | the cursor                    |
    | malformed                   | none                 | the last readable transaction |
    | the page is empty           | before latest ledger | the cursor                    |
    | the page is empty           | in latest ledger     | the end of the latest ledger  |
    | the page is empty           | none                 | the end of the latest ledger  |
    """
    if is_empty:
        return cursor if cursor is not None and cursor.ledger < tip.ledger else tip
    return last.position if last.ends_page or cursor is None else cursor


def is_proved(
    method: str, page_end: PositionT, reached: PositionT, end: PositionT, tip: PositionT
) -> bool:
    """Tell whether a range up to `end` is read by a page that started at `reached`.

    | the page ends                    | the tip is          |                  |
    |----------------------------------|---------------------|------------------|
    | at or after the end of the range | not before the end  | proved           |
    | at the tip                       | before the end      | node behind      |
    | after `reached`, before the tip  | anywhere            | go on            |
    | not after `reached`              | before the end      | node behind      |
    | not after `reached`              | not before the end  | protocol error   |
    """
    if page_end >= end:
        return True
    if tip < end and (page_end == tip or page_end <= reached):
        raise NodeBehindError(end[0], tip[0])
    if page_end > reached:
        return False
    raise RpcProtocolError(
        f"{method}: the pages stay at {tuple(reached)}, ledger {end[0]} is not read to its end; "
        "expected each page to go on after the one before. Use another node"
    )


def missing_ledger(
    ledger: int, oldest: int, latest: int
) -> LedgerOutsideRetentionError | NodeBehindError | None:
    """Give the error of a node that has these ledgers and was asked for another; else None.

    | the ledger is            | error             |
    |--------------------------|-------------------|
    | after the node's latest  | node behind       |
    | before its oldest        | outside retention |
    | one that the node has    | none: ask again   |
    """
    if ledger > latest:
        return NodeBehindError(ledger, latest)
    return LedgerOutsideRetentionError(ledger, oldest) if ledger < oldest else None
