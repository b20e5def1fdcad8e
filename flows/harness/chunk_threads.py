"""Index the chunks of a backfill in this process, several at a time, each in a thread.

A chunk that fails does not stop the others. Where the failure may pass, it is indexed again
after them, until the run's patience ends.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context

from prefect import get_run_logger

from flows.harness.gaps import index_or_record_gaps
from flows.harness.indexer import Indexer
from flows.harness.progress import Progress
from sorobanflow.errors import ClientStoppedError, RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.engine import pool_of

#: Threads. 14,760 transactions from a node that answers in 300 ms: 44 s with 1, 29 s with 2,
#: 26 s with 3; from a node that answers immediately, decoding is the limit.
CONCURRENT_CHUNKS = 2
POLL_S = 0.5


class ChunkThreads:
    """Threads that index chunks, each with its own pipeline; `force`: the covered ledgers too."""

    def __init__(self, indexer: Indexer, summary: RunSummary, force: bool) -> None:
        self._indexer = indexer
        self._summary = summary
        self._force = force
        self._lock = threading.Lock()  # of the summary and the chunks
        self._todo: deque[LedgerRange] = deque()
        self._failed: dict[LedgerRange, str] = {}

    def run(self, chunks: Sequence[LedgerRange], progress: Progress) -> dict[LedgerRange, str]:
        """Index the chunks, in their order; gives those that failed, and why."""
        self._todo.extend(chunks)
        with ThreadPoolExecutor(CONCURRENT_CHUNKS, "chunk") as executor:
            # Each thread works in the flow's context, so that its tasks belong to the run.
            threads = [
                executor.submit(copy_context().run, self._index_chunks)
                for _ in range(min(CONCURRENT_CHUNKS, len(chunks)))
            ]
            try:
                while wait(threads, POLL_S).not_done:
                    progress.show(self._summary.ledgers)
            except BaseException:  # leaving the executor waits for the threads: end their work
                self._todo.clear()
                self._indexer.source.stop()
                pool_of(self._indexer.target.engine).stop()
                raise
        for thread in threads:
            thread.result()
        return self._failed

    def _index_chunks(self) -> None:
        """Index chunks until none is left."""
        pipeline = self._indexer.pipeline(self._add)
        while chunk := self._next_chunk():
            try:
                index_or_record_gaps(
                    self._indexer, pipeline, chunk, self._summary.gaps, force=self._force
                )
            except Exception as error:
                if self._indexer.patience.is_stalled:  # all others would fail as well
                    self._todo.clear()
                    raise
                self._note_failure(chunk, error)

    def _note_failure(self, chunk: LedgerRange, error: Exception) -> None:
        if isinstance(error, RetriableError):
            get_run_logger().warning(f"chunk {chunk} is indexed again later: {error}")
            self._todo.append(chunk)
            return
        get_run_logger().error(f"chunk {chunk} failed, the others continue: {error}")
        self._failed[chunk] = f"{type(error).__name__}: {error}"
        if isinstance(error, ClientStoppedError):  # all others would fail with it too
            self._todo.clear()

    def _next_chunk(self) -> LedgerRange | None:
        with self._lock:
            return self._todo.popleft() if self._todo else None

    def _add(self, ledgers: LedgerRange, rows: Mapping[str, int]) -> None:
        with self._lock:
            self._summary.add(ledgers, rows)
