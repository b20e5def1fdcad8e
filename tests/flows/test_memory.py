"""What a run leaves behind: its batches are freed as soon as they are written."""

import gc
from collections.abc import Callable, Iterator

import pytest

from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.pipeline import decoding
from sorobanflow.pipeline.batch import Batch, UpsertStep
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.sources.rpc.ledger_chunk import LedgerChunk
from sorobanflow.sources.rpc.source import EventsStep, TransactionsStep
from tests.ledgers import generated

HEAVY = (BatchRows, Batch, UpsertStep, EventsStep, TransactionsStep, LedgerChunk)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only counting references frees what is gone; what stands in a cycle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _held() -> list[str]:
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, HEAVY)]


@pytest.mark.parametrize("min_items", [0, decoding.PROCESSES_MIN_ITEMS])
@pytest.mark.usefixtures("no_collector")
def test_batches_stand_in_no_cycle(
    min_items: int,
    serve: Callable[..., DevnetServer],
    run_index: Callable[..., RunSummary],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "PROCESSES_MIN_ITEMS", min_items)  # 0: rows are made by processes
    before = _held()
    summary = run_index(serve(Chain(generated(), closed=40)), start_ledger="oldest", batch_size=200)
    assert summary.ledgers == 40
    assert _held() == before
