"""Rows made in processes of their own: the same rows, whatever becomes of the processes."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import (
    PROCESSES_MIN_ITEMS,
    Decoders,
    Decoding,
    Rows,
    default_processes,
)
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.sources.items import Event, Malformed, Transaction
from tests.unit.wire_items import ALICE, BOB, make_event, make_transaction, symbol

LEDGERS = LedgerRange(1000, 1000)
NETWORK = "Test SDF Network ; September 2015"
TRANSFER = [symbol("transfer"), {"address": ALICE}, {"address": BOB}]
EVENTS: list[Event | Malformed] = [make_event(TRANSFER, {"i128": "1"}), Malformed("{}", "bad")]
TRANSACTIONS: list[Transaction | Malformed] = [make_transaction()]


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with Decoders(NETWORK, 1) as decoders:
        yield decoders


def fill(decoding: Decoding) -> Rows:
    decoding.add_events(EVENTS)
    decoding.add_transactions(TRANSACTIONS)
    return decoding.finish()


def make(decoders: Decoders, items_left: float = PROCESSES_MIN_ITEMS) -> Rows:
    return fill(decoders.begin(LEDGERS, state=True, items_left=items_left))


def contents(batch: BatchRows) -> dict[str, object]:
    return vars(batch)


def workers(decoders: Decoders) -> list[int]:
    assert decoders._pool is not None
    return list(decoders._pool._processes)


def test_rows_are_the_same_wherever_they_are_made(decoders: Decoders) -> None:
    here = make(decoders, items_left=PROCESSES_MIN_ITEMS - 1).result()
    assert decoders._pool is None
    assert (len(here.events), len(here.transactions), len(here.quarantine)) == (1, 1, 1)
    elsewhere = make(decoders).result()
    assert workers(decoders)
    assert contents(elsewhere) == contents(here)
    assert type(elsewhere.transactions[0]) is TransactionRow  # and no plain tuple


def test_without_processes_everything_is_made_here() -> None:
    with Decoders(NETWORK, 0) as decoders:
        assert make(decoders).result().events
        assert decoders._pool is None


def test_more_than_processes_can_take_is_made_here(decoders: Decoders) -> None:
    rows = [make(decoders) for _ in range(5)]
    assert all(len(one.result().events) == 1 for one in rows)
    done: list[object] = []
    rows[-1].add_done_callback(done.append)
    assert len(done) == 1


def test_a_process_that_is_killed_costs_no_batch(decoders: Decoders) -> None:
    make(decoders).result()
    (worker,) = workers(decoders)
    os.kill(worker, signal.SIGKILL)
    rows = [make(decoders) for _ in range(3)]
    assert [len(one.result().events) for one in rows] == [1, 1, 1]
    make(decoders).result()


def test_processes_end_with_the_decoders() -> None:
    with Decoders(NETWORK, 1) as decoders:
        make(decoders).result()
        (worker,) = workers(decoders)
        os.kill(worker, 0)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {worker} is still there")


def test_default_leaves_a_core_to_the_flow() -> None:
    cores = len(os.sched_getaffinity(0))
    assert default_processes() == min(4, cores - 1)
