"""Upgrade the schema of a database to this program's, or remove it.

Run as `sorobanflow migrate`. The database is the block's, or the one in SOROBANFLOW_OWNER_URL:
the owner's password need not be in a block, whose user may only index.
"""

import os
from typing import Literal

from pydantic import SecretStr

from blocks import Database
from blocks.documents import load_block
from sorobanflow.store import schema


def main(direction: Literal["upgrade", "downgrade"], block: str) -> None:
    """Migrate, and print the revision that the database has now."""
    with owners_database(block).engine() as engine:
        if direction == "upgrade":
            schema.upgrade(engine)
            print(f"the schema is at revision {schema.newest_revision()}")
        else:
            schema.downgrade(engine)
            print("the tables of sorobanflow are removed")


def owners_database(block: str) -> Database:
    """Give the database with its owner's address, if the environment has it, else the block's."""
    if owner_url := os.environ.get("SOROBANFLOW_OWNER_URL"):
        return Database(url=SecretStr(owner_url))
    return load_block(Database, block)


if __name__ == "__main__":  # as it was called before
    raise SystemExit("error: run `sorobanflow migrate`")
