"""Rows made in processes of their own: the same rows, whatever becomes of the processes."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from sorobanflow.errors import LedgerProofError
from sorobanflow.ledgers import Anchor, LedgerRange
from sorobanflow.pipeline.decoding import (
    PROCESSES_MIN_ITEMS,
    Decoders,
    Decoding,
    Rows,
    default_processes,
)
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, Malformed, Transaction
from tests.integration.index_whole import objects_of
from tests.ledgers import generated
from tests.unit.meta_xdr import event, meta_v4
from tests.unit.wire_items import ALICE, BOB, make_event, make_transaction, scval, symbol

LEDGERS = LedgerRange(1000, 1000)
NETWORK = "Test SDF Network ; September 2015"
TRANSFER = [symbol("transfer"), {"address": ALICE}, {"address": BOB}]
EVENTS: list[Event | Malformed] = [make_event(TRANSFER, {"i128": "1"}), Malformed("{}", "bad")]
CALLED = event([symbol("fn_call"), {"bytes": "ab" * 32}, symbol("f")], "void", "diagnostic")
META = meta_v4(diagnostic_events=[{"in_successful_contract_call": True, "event": CALLED}])
TRANSACTIONS: list[Transaction | Malformed] = [make_transaction(result_meta_xdr=META)]


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with Decoders(NETWORK, 1, with_calls=True) as decoders:
        yield decoders


def fill(decoding: Decoding) -> Rows:
    decoding.add_events(EVENTS[:1])
    decoding.add_events(EVENTS)
    decoding.add_transactions(TRANSACTIONS)
    return decoding.finish()


def make(decoders: Decoders, items_left: float = PROCESSES_MIN_ITEMS) -> Rows:
    return fill(decoders.begin(LEDGERS, event_filter=None, items_left=items_left))


def workers(decoders: Decoders) -> list[int]:
    assert decoders._pool is not None
    return list(decoders._pool._processes)


def test_rows_are_the_same_wherever_they_are_made(decoders: Decoders) -> None:
    here = make(decoders, items_left=PROCESSES_MIN_ITEMS - 1).result()
    assert decoders._pool is None
    counts = [here.counts[table] for table in ("events", "transactions", "contract_calls")]
    assert (*counts, len(here.quarantine)) == (1, 1, 1, 1)
    elsewhere = make(decoders).result()
    assert workers(decoders)
    assert vars(elsewhere) == vars(here)


@pytest.mark.parametrize(
    ("event_filter", "transactions", "headers"),
    [
        (None, 30, {1, 2, 3}),
        (EventFilter(topics=((scval(symbol("swap")), "**"),)), 1, set()),
    ],
    ids=["everything", "filtered"],
)
def test_whole_ledgers_are_read_wherever_rows_are_made(
    event_filter: EventFilter | None, transactions: int, headers: set[int]
) -> None:
    source, ledgers = generated(), LedgerRange(1, 3)
    with Decoders(source.network.passphrase, 1) as decoders:
        here, elsewhere = (
            decoders.begin(ledgers, event_filter=event_filter, items_left=left)
            for left in (0, PROCESSES_MIN_ITEMS)
        )
        for decoding in (here, elsewhere):
            decoding.add_objects(objects_of(source, ledgers))
        rows = elsewhere.finish().result()
        assert workers(decoders)
        assert vars(rows) == vars(here.finish().result())
    assert rows.headers.keys() == headers
    assert rows.counts["transactions"] == transactions


def test_ledger_that_is_not_the_anchor_is_refused_by_a_process() -> None:
    source, ledgers = generated(), LedgerRange(1, 3)
    with Decoders(source.network.passphrase, 1, Anchor(2, "0" * 64)) as decoders:
        decoding = decoders.begin(ledgers, event_filter=None, items_left=PROCESSES_MIN_ITEMS)
        decoding.add_objects(objects_of(source, ledgers))
        with pytest.raises(LedgerProofError, match=r"ledger 2 .* anchor"):
            decoding.finish().result()


def test_without_processes_everything_is_made_here() -> None:
    with Decoders(NETWORK, 0) as decoders:
        assert make(decoders).result().counts["events"] == 1
        assert decoders._pool is None


def test_more_than_processes_can_take_is_made_here(decoders: Decoders) -> None:
    rows = [make(decoders) for _ in range(5)]
    assert all(one.result().counts["events"] == 1 for one in rows)
    done: list[object] = []
    rows[-1].add_done_callback(done.append)
    assert len(done) == 1


def test_a_process_that_is_killed_costs_no_batch(decoders: Decoders) -> None:
    make(decoders).result()
    (worker,) = workers(decoders)
    os.kill(worker, signal.SIGKILL)
    rows = [make(decoders) for _ in range(3)]
    assert [one.result().counts["events"] for one in rows] == [1, 1, 1]
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
    assert default_processes(whole_ledgers=True) == min(4, cores)  # all work is decoding
