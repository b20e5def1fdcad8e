"""Index generated ledgers whole, in one batch and without a source."""

from collections.abc import Sequence

from sqlalchemy import Engine

from sorobanflow.devnet import Generator
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import LedgerObject
from sorobanflow.store.coverage import Stream, open_stream, pin_network
from sorobanflow.store.upsert import upsert_batch


def objects_of(source: Generator, ledgers: LedgerRange) -> Sequence[LedgerObject]:
    """Make the object of each ledger."""
    return [
        LedgerObject(f"ledger {n}", LedgerRange(n, n), source.close_meta(n), is_batch=False)
        for n in range(ledgers.first, ledgers.last + 1)
    ]


def whole_rows(source: Generator, ledgers: LedgerRange) -> BatchRows:
    """Make the rows of whole ledgers."""
    objects = objects_of(source, ledgers)
    return make_rows(ledgers, [], [], source.network.passphrase, objects=objects)


def index_whole(source: Generator, engine: Engine, ledgers: LedgerRange) -> None:
    """Store whole ledgers as the stream of everything."""
    pin_network(engine, source.network.passphrase)
    open_stream(engine, Stream(), ledgers.first)
    upsert_batch(engine, whole_rows(source, ledgers), "all")
