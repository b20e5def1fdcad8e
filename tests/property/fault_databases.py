"""The databases of fault schedules: one to index into, one to build in what is expected."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine

from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from tests.property.fault_oracle import Checksums, check
from tests.property.fault_runs import Setup, clear, index_through, source_of

_numbers = itertools.count(1)


class Databases:
    """Both databases, and the checksums of fault-free runs."""

    def __init__(self, url: str, engine: Engine, spare: Engine, checksums: Checksums) -> None:
        self.url = url
        self.engine = engine
        self._spare, self._checksums = spare, checksums
        self._fault_free: dict[tuple[int, bool], dict[str, Any]] = {}

    def prepare(self, setup: Setup) -> None:
        """Empty both, and know what a fault-free run of the setup leaves."""
        key = setup.chain, setup.filtered
        if key not in self._fault_free:
            self._clear(setup)
            assert index_through(Setup(*key), "", self.engine) == []
            self._fault_free[key] = self._checksums(self.engine)
        self._clear(setup)

    def check(self, setup: Setup) -> None:
        """Compare what was indexed with what should be."""
        fault_free = self._fault_free[setup.chain, setup.filtered]
        check(setup, self.engine, self._spare, fault_free, self._checksums)

    def check_same(self, setup: Setup) -> None:
        """Check that the database is as after a run without faults, rows and coverage."""
        assert self._checksums(self.engine) == self._fault_free[setup.chain, setup.filtered]

    def _clear(self, setup: Setup) -> None:
        for engine in (self.engine, self._spare):
            clear(engine, source_of(setup.chain).network.passphrase)


@contextmanager
def open_databases(
    postgres: EmbeddedPostgres, migrated: str, checksums: Checksums
) -> Iterator[Databases]:
    """Make both databases; they go with the block."""
    number = next(_numbers)
    names = f"faults_{number}", f"faults_{number}_expected"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for name in names:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
    pool = PoolSettings(max_idle=5, max_open=10)
    url, expected = (postgres.url_of(name) for name in names)
    with open_engine(url, pool) as engine, open_engine(expected, pool) as spare:
        yield Databases(url, engine, spare, checksums)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
