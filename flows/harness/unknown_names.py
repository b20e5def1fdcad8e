"""Refuse a run by hand whose parameters name what does not exist, before it is started."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from blocks import Database
from blocks.documents import load_block
from flows.harness.described_flow import BLOCKS
from flows.harness.indexer import in_use
from flows.parameters.shared import DEFAULT_BLOCK, block_types
from sorobanflow.errors import RetriableError

#: What a parameter may say in place of a block's name; `default` need not be saved.
_NO_BLOCKS = (None, DEFAULT_BLOCK, "rpc", "ledgers")


def refuse_unknown_names(kind: type, parameters: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for a block that cannot be loaded, or a table that is not there."""
    for name, slug in block_types(kind).items():
        if parameters[name] not in _NO_BLOCKS:
            load_block(BLOCKS[slug], parameters[name])
    if "table" in parameters:
        with suppress(RetriableError):  # for a database that is away, the run itself waits
            _refuse_unknown_table(parameters["database"], parameters["table"])


def _refuse_unknown_table(database: str, table: str) -> None:
    from sorobanflow.export.relation import find_relation  # noqa: PLC0415 - only exports need Arrow

    with load_block(Database, database).engine() as engine:
        if in_use(engine):  # a new database gets its tables from the run
            find_relation(engine, table)
