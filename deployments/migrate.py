"""Upgrade the schema of a database to this program's, or remove it.

Run as `python -m deployments.migrate [upgrade|downgrade] [--database NAME]`. The
database is the block's, or the one in SOROBANFLOW_OWNER_URL: the owner's password
need not be in a block, whose user may only index.
"""

import argparse
import os
import sys

from pydantic import SecretStr

from blocks import Database
from blocks.documents import DEFAULT_NAME, load_block
from sorobanflow.errors import SorobanflowError
from sorobanflow.store import schema


def main() -> None:
    """Migrate, and print the revision that the database has now."""
    parser = argparse.ArgumentParser(prog="python -m deployments.migrate", description=__doc__)
    parser.add_argument("direction", nargs="?", choices=("upgrade", "downgrade"), default="upgrade")
    parser.add_argument("--database", default=DEFAULT_NAME, help="name of the block")
    options = parser.parse_args()
    if owner_url := os.environ.get("SOROBANFLOW_OWNER_URL"):
        database = Database(url=SecretStr(owner_url))
    else:
        database = load_block(Database, options.database)
    with database.engine() as engine:
        if options.direction == "upgrade":
            schema.upgrade(engine)
            print(f"the schema is at revision {schema.newest_revision()}")
        else:
            schema.downgrade(engine)
            print("the tables of sorobanflow are removed")


if __name__ == "__main__":
    try:
        main()
    except SorobanflowError as error:
        sys.exit(f"error: {error}")
