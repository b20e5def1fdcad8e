"""Refuse a run by hand that cannot work, before it is started: it would be a red run for ever.

Asked are Prefect for the blocks, the source for its newest ledger, the database for table and
coverage, the disk for the folder. Invariant: what does not answer now refuses nothing: the run
itself waits for it, or says what is wrong.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Engine

from blocks import Database, DataLake, StellarRpc
from blocks.documents import load_block
from flows.harness.described_flow import BLOCKS
from flows.harness.indexer import in_use
from flows.harness.patience import DATABASE, Patience
from flows.parameters.shared import DEFAULT_BLOCK, block_types
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.source import Available

#: What a parameter may say in place of a block's name; `default` need not be saved.
_NO_BLOCKS = (None, DEFAULT_BLOCK, "rpc", "ledgers")
#: A person waits.
_TIMEOUT_S = 5.0

Parameters = Mapping[str, Any]


def refuse_what_cannot_work(kind: type, parameters: Parameters) -> None:
    """Check the parameters of a class against what is there.

    Raises:
        ConfigurationError: a block cannot be loaded; the source has no such ledger yet; there is
            no such table, or not all of the ledgers to export; the folder cannot be written.
    """
    for name, slug in block_types(kind).items():
        if parameters[name] not in _NO_BLOCKS:
            load_block(BLOCKS[slug], parameters[name])
    with _only_refusals():
        if "rpc" in parameters:
            _refuse_ledgers_to_come(parameters)
        if "table" in parameters:
            _check_export(parameters)


@contextmanager
def _only_refusals() -> Iterator[None]:
    try:
        yield
    except ConfigurationError:
        raise
    except SorobanflowError:
        pass  # see the invariant


def _refuse_ledgers_to_come(parameters: Parameters) -> None:
    """Refuse a range, or the start of live indexing, above the source's newest ledger."""
    for name in ("end_ledger", "start_ledger"):
        if isinstance(ledger := parameters.get(name), int):
            _available(parameters, ledger).refuse_above(name, ledger)
            return


def _available(parameters: Parameters, ledger: int) -> Available:
    """Ask the source once, without the patience of a run."""
    source = parameters.get("source", "rpc")
    if source in ("rpc", "ledgers"):
        node = load_block(StellarRpc, parameters["rpc"])
        node.retry_attempts, node.timeout_s = 1, _TIMEOUT_S
        with node.client() as client:
            return client.get_health().available
    block = load_block(DataLake, source)
    with block.client() as lake:
        return block.source(lake).available(LedgerRange(parameters["start_ledger"], ledger))


def _check_export(parameters: Parameters) -> None:
    from sorobanflow.export.files import writable_folder  # noqa: PLC0415 - Arrow, for exports only

    block = load_block(Database, parameters["database"])
    with (
        closing(Patience(_TIMEOUT_S, lambda text: None)) as patient,
        block.engine(patient.watch_pool) as engine,
    ):
        patient.retry(DATABASE, lambda: _check_range(engine, parameters))
    writable_folder(parameters["folder"], "check").cleanup()


def _check_range(engine: Engine, parameters: Parameters) -> None:
    # Arrow too.
    from sorobanflow.export.relation import covered_range, find_relation  # noqa: PLC0415

    if in_use(engine):  # a new database gets its tables from the run
        find_relation(engine, parameters["table"])
        ends = parameters["first_ledger"], parameters["last_ledger"]
        covered_range(engine, parameters["table"], parameters["stream"], *ends)
