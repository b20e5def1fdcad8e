"""Headers of whole ledgers in a real PostgreSQL: filled, kept, and a chain over all batches."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.errors import LedgerProofError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.headers import HeaderRow
from sorobanflow.store.claims import Claims
from sorobanflow.store.coverage import Stream, open_stream, read_coverage
from sorobanflow.store.upsert import upsert_batch

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
CLOSED = datetime(2026, 1, 1, tzinfo=UTC)
NEIGHBOURS = LedgerRange(5, 9), LedgerRange(10, 14)


def batch(first: int, last: int, chain: str = "a", before: str | None = None) -> BatchRows:
    """Make a batch of whole ledgers without transactions; `before`: the chain that it follows."""
    rows = BatchRows(LedgerRange(first, last))
    rows.is_whole = True
    for ledger in range(first, last + 1):
        previous = before if before is not None and ledger == first else chain
        hashes = f"{chain} {ledger}", f"{previous} {ledger - 1}"
        rows.headers[ledger] = HeaderRow(*hashes, 23, 100, 5_000_000, 7, 10**18, 0, 0)
        rows.closed_at[ledger] = CLOSED
    return rows


def of_a_node(*ledgers: int) -> BatchRows:
    rows = BatchRows(LedgerRange(min(ledgers), max(ledgers)))
    rows.closed_at = dict.fromkeys(ledgers, CLOSED)
    return rows


@pytest.fixture
def upsert(engine: Engine) -> Callable[..., None]:
    open_stream(engine, Stream())
    return lambda rows, **options: upsert_batch(engine, rows, "all", **options) and None


def stored(engine: Engine, columns: str = "sequence, hash, previous_hash, proved") -> list[Any]:
    with engine.begin() as connection:
        rows = connection.execute(text(f"SELECT {columns} FROM ledgers ORDER BY sequence"))
        return [tuple(row) for row in rows]


def test_empty_whole_ledgers_have_rows_with_their_headers(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    upsert(batch(5, 6))
    assert stored(engine, "*") == [
        (5, CLOSED, 0, 0, "a 5", "a 4", 23, 100, 5_000_000, 7, 10**18, 0, 0, True, [], []),
        (6, CLOSED, 0, 0, "a 6", "a 5", 23, 100, 5_000_000, 7, 10**18, 0, 0, True, [], []),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)])
def test_header_fills_the_row_of_a_node_and_stays(
    order: Sequence[int], engine: Engine, upsert: Callable[..., None]
) -> None:
    for number in order:
        upsert((of_a_node(5), batch(4, 5))[number])
    assert stored(engine) == [(4, "a 4", "a 3", True), (5, "a 5", "a 4", True)]


def test_same_headers_again_change_nothing(
    engine: Engine, upsert: Callable[..., None], checksums: Checksums
) -> None:
    upsert(batch(5, 6))
    before, versions = checksums(engine), stored(engine, "ctid, xmin")
    upsert(batch(5, 6))
    assert (checksums(engine), stored(engine, "ctid, xmin")) == (before, versions)


def test_stored_header_is_changed_by_no_batch_that_does_not_replace_it(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    upsert(batch(5, 6))
    before = stored(engine)
    with pytest.raises(LedgerProofError) as caught:
        upsert(batch(6, 8, "b", before="a"))
    error = caught.value
    assert (error.ledger, error.check) == (6, "stored hash")
    assert "b 6" in error.said
    assert "a 6" in error.said
    assert stored(engine) == before
    assert read_coverage(engine, "all").covered == ((5, 6),)
    upsert(batch(4, 8, "b"), replaced=Claims())
    assert [row[1] for row in stored(engine)] == [f"b {number}" for number in range(4, 9)]


def test_node_that_replaces_ledgers_leaves_the_headers_and_the_empty_ones(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    upsert(batch(5, 7))
    before = stored(engine, "*")
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledgers SET event_count = 9 WHERE sequence = 6"))
    upsert(of_a_node(5, 7), replaced=Claims())
    assert stored(engine, "*") == before


def test_whole_ledgers_that_replace_leave_no_other_row(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    upsert(of_a_node(5, 6, 7))
    upsert(batch(5, 7), replaced=Claims())
    assert [row[0] for row in stored(engine)] == [5, 6, 7]


@pytest.mark.parametrize("turn", [1, -1], ids=["ascending", "descending"])
def test_batch_that_does_not_follow_its_neighbour_is_refused(
    turn: int, engine: Engine, upsert: Callable[..., None]
) -> None:
    first, second = [batch(5, 9), batch(10, 14, "b")][::turn]
    upsert(first)
    before = stored(engine)
    with pytest.raises(LedgerProofError) as caught:
        upsert(second)
    assert (caught.value.ledger, caught.value.check) == (10, "previous hash")
    assert "Nothing of its batch was written" in str(caught.value)
    assert stored(engine) == before
    assert read_coverage(engine, "all").covered == (first.ledgers,)
    upsert([batch(5, 9, "b"), batch(10, 14)][turn > 0])
    assert read_coverage(engine, "all").covered == ((5, 14),)


def test_neighbour_that_came_from_a_node_is_no_link(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    for rows in (of_a_node(4), of_a_node(7), batch(5, 6)):
        upsert(rows)
    assert [row[3] for row in stored(engine)] == [False, True, True, False]


def test_ledgers_of_another_chain_are_replaced_batch_by_batch(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    upsert(batch(5, 14, "b"))
    for ledgers in NEIGHBOURS:
        upsert(batch(*ledgers), replaced=Claims())
    assert [row[1] for row in stored(engine)] == [f"a {number}" for number in range(5, 15)]


def test_of_two_writers_that_do_not_chain_exactly_one_is_refused(
    engine: Engine, upsert: Callable[..., None]
) -> None:
    for first in range(5, 105, 10):
        barrier = threading.Barrier(2, timeout=30)
        batches = batch(first, first + 4), batch(first + 5, first + 8, "b")

        def write(rows: BatchRows, barrier: threading.Barrier = barrier) -> str | None:
            barrier.wait()
            try:
                upsert(rows)
            except LedgerProofError as error:
                return error.check
            return None

        with ThreadPoolExecutor(2) as pool:
            refused = {*pool.map(write, batches)}
        assert refused == {None, "previous hash"}
        chains = {row[1][0] for row in stored(engine) if row[0] >= first}
        assert len(chains) == 1
