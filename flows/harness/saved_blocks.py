"""Refuse a run by hand whose parameters name blocks that are not saved, before it is started."""

from collections.abc import Mapping
from typing import Any

from blocks import Database, DataLake, StellarRpc
from blocks.documents import load_block
from flows.parameters.shared import DEFAULT_BLOCK, block_types

BLOCKS = {kind.get_block_type_slug(): kind for kind in (StellarRpc, Database, DataLake)}
#: What a parameter may say in place of a block's name; `default` may be not saved.
_NO_BLOCKS = (None, DEFAULT_BLOCK, "rpc", "ledgers")


def refuse_unknown_blocks(kind: type, parameters: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for a block that cannot be loaded."""
    for name, slug in block_types(kind).items():
        if parameters[name] not in _NO_BLOCKS:
            load_block(BLOCKS[slug], parameters[name])
