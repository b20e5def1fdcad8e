"""End the live indexing of a stream: `sorobanflow end-stream`."""

from blocks import Database
from blocks.documents import load_block
from flows.harness.indexer import in_use
from sorobanflow.errors import ConfigurationError
from sorobanflow.store.coverage import end_stream


def main(name: str, block: str) -> None:
    """End the stream in the block's database, and print what was done."""
    with load_block(Database, block).engine() as engine:
        if not in_use(engine):
            raise ConfigurationError(f"nothing is indexed yet in the database of block {block!r}")
        coverage = end_stream(engine, name)
    print(f"stream {name} has ended: its lag and its holes are no problem any more")
    print(f"the rows of its ledgers, {coverage}, stay; running `index` with it begins it again")
