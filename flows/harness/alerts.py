"""Tell Prefect how the stream of a scheduled run is, by events that automations react to.

    sorobanflow.stream.<network>.<stream>   .unhealthy, .incomplete, .reminder, .recovered
    sorobanflow.database.<block>            .usable: a scheduled run could store the health
                                            .unusable: it could not

`sorobanflow.status.alerts` decides what is told. Invariant: nothing here fails a run or
hides its error, and a run by hand, a cancelled one and what somebody set or typed wrong
tell nothing.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from prefect.events import emit_event
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from blocks import Database
from blocks.documents import load_block
from flows.harness.indexer import Indexer
from flows.harness.sources import Settings
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.status.alerts import Change, next_health
from sorobanflow.status.database import read_passphrase
from sorobanflow.status.health import Limits
from sorobanflow.status.model import Problem, network_name
from sorobanflow.status.read import read_status
from sorobanflow.store.coverage import Stream
from sorobanflow.store.failures import named_failures
from sorobanflow.store.live_streams import Health, update_health
from sorobanflow.store.session import with_settings
from tasks.policy import only_shown

#: A run that follows judges its stream this often, and every run at its end.
JUDGE_EVERY_S = 60.0
#: After a failure, the database may be what blocks.
_BOUNDED = "SET LOCAL statement_timeout = '10s';"


class StreamAlerts:
    """Judges the stream of a run and tells what changed; `scheduled` False: does nothing."""

    def __init__(
        self, settings: Settings, stall_s: float | None, max_lag: int | None, *, scheduled: bool
    ) -> None:
        self._settings = settings
        self._limits = (math.inf if max_lag is None else max_lag, stall_s or math.inf)
        self._scheduled = scheduled
        self._judge_at = time.monotonic() + JUDGE_EVERY_S

    def judge_now_and_then(self, indexer: Indexer) -> None:
        """Judge the stream if the last time was long ago."""
        if time.monotonic() >= self._judge_at:
            self.judge(indexer)

    def judge(self, indexer: Indexer) -> None:
        """Judge the stream by its status; what cannot be read now, the run itself waits for."""
        self._judge_at = time.monotonic() + JUDGE_EVERY_S
        if not self._scheduled or indexer.client is None:
            return
        stream, engine = indexer.target.stream.name, indexer.target.engine
        with only_shown("the stream's health"):
            status = read_status(engine, indexer.client, limits=Limits(*self._limits, (stream,)))
            if not any(one.kind in ("node", "database") for one in status.problems):
                self._compare(engine, stream, status.problems)

    @contextmanager
    def of_failure(self) -> Iterator[None]:
        """Take a failure within as the stream's health."""
        try:
            yield
        except ConfigurationError:
            raise
        except Exception as error:
            if self._scheduled:
                with only_shown("the stream's health"):
                    self._failed(error)
            raise

    def _failed(self, error: Exception) -> None:
        settings = self._settings
        of_filter = settings.event_filter
        stream = Stream.of_filter(of_filter.canonical_json if of_filter else None).name
        failed = Problem("failed", f"the run of index failed: {error}", stream)
        try:
            with load_block(Database, settings.database).engine() as engine, named_failures():
                self._compare(with_settings(engine, _BOUNDED), stream, [failed])
        except (SorobanflowError, psycopg.Error, SQLAlchemyError) as away:
            self._emit_database(
                "unusable",
                f"the database of the block {settings.database} cannot be used, and the health of "
                f"stream {stream} is not known: {away}",
            )

    def _compare(self, engine: Engine, stream: str, problems: Sequence[Problem]) -> None:
        """Compare with the stored health, and tell what changed."""
        passphrase = read_passphrase(engine) or ""
        network = network_name(passphrase) or "other"
        name = f"stream {stream} of {network}"
        changes = list[Change]()

        def change(before: Health | None) -> Health:
            changes.append(next_health(name, before, problems, datetime.now(UTC)))
            return changes[-1].health

        update_health(engine, stream, change)
        self._emit_database(
            "usable", f"the database of the block {self._settings.database} can be used again"
        )
        if message := changes[-1].message:
            resource = f"sorobanflow.stream.{network}.{stream}"
            health = {key: str(value) for key, value in changes[-1].health._asdict().items()}
            self._emit(f"sorobanflow.stream.{message.event}", resource, message.text, **health)

    def _emit_database(self, event: str, text: str) -> None:
        resource = f"sorobanflow.database.{self._settings.database}"
        self._emit(f"sorobanflow.database.{event}", resource, text)

    def _emit(self, event: str, resource_id: str, text: str, **more: str) -> None:
        resource = {"prefect.resource.id": resource_id, "prefect.resource.name": resource_id}
        resource["sorobanflow.database"] = self._settings.database
        emit_event(event, resource, payload={"text": f"sorobanflow: {text}", **more})
