"""Rows made in processes of their own: the same rows, whatever becomes of the processes."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.decoding import Makers, Making, Rows, processes_by_default
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
def makers() -> Iterator[Makers]:
    with Makers(NETWORK, 1) as makers:
        yield makers


def fill(making: Making) -> Rows:
    making.add_events(EVENTS)
    making.add_transactions(TRANSACTIONS)
    return making.finish()


def make(makers: Makers, much_left: bool = True) -> Rows:
    return fill(makers.begin(LEDGERS, whole=True, much_left=much_left))


def contents(batch: BatchRows) -> dict[str, object]:
    return vars(batch)


def workers(makers: Makers) -> list[int]:
    assert makers._pool is not None
    return list(makers._pool._processes)


def test_rows_are_the_same_wherever_they_are_made(makers: Makers) -> None:
    here = make(makers, much_left=False).result()
    assert makers._pool is None
    assert (len(here.events), len(here.transactions), len(here.quarantine)) == (1, 1, 1)
    elsewhere = make(makers).result()
    assert workers(makers)
    assert contents(elsewhere) == contents(here)
    assert type(elsewhere.transactions[0]) is TransactionRow  # and no plain tuple


def test_without_processes_everything_is_made_here() -> None:
    with Makers(NETWORK, 0) as makers:
        assert make(makers).result().events
        assert makers._pool is None


def test_more_than_processes_can_take_is_made_here(makers: Makers) -> None:
    rows = [make(makers) for _ in range(5)]
    assert all(len(one.result().events) == 1 for one in rows)
    done: list[object] = []
    rows[-1].add_done_callback(done.append)
    assert len(done) == 1


def test_a_process_that_is_killed_costs_no_batch(makers: Makers) -> None:
    make(makers).result()
    (worker,) = workers(makers)
    os.kill(worker, signal.SIGKILL)
    rows = [make(makers) for _ in range(3)]
    assert [len(one.result().events) for one in rows] == [1, 1, 1]
    make(makers).result()


def test_processes_end_with_the_makers() -> None:
    with Makers(NETWORK, 1) as makers:
        make(makers).result()
        (worker,) = workers(makers)
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
    assert processes_by_default() == min(4, cores - 1)
