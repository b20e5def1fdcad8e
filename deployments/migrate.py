"""Bring the schema of a database to this program's, or take it back.

Run as `python -m deployments.migrate [upgrade|downgrade] [--database NAME]`. The
database is that of the block, or the one that SOROBANFLOW_OWNER_URL names: where
the block's user may only index, the owner's password is in no block.
"""

import argparse
import os

from pydantic import SecretStr

from blocks import Database
from blocks.documents import DEFAULT_NAME, load_block
from sorobanflow.store import schema


def main() -> None:
    """Migrate, and say which revision the database has now."""
    parser = argparse.ArgumentParser(prog="python -m deployments.migrate", description=__doc__)
    parser.add_argument("direction", nargs="?", choices=("upgrade", "downgrade"), default="upgrade")
    parser.add_argument("--database", default=DEFAULT_NAME, help="name of the block")
    options = parser.parse_args()
    owner_url = os.environ.get("SOROBANFLOW_OWNER_URL")
    database = (
        Database(url=SecretStr(owner_url)) if owner_url else load_block(Database, options.database)
    )
    with database.engine() as engine:
        if options.direction == "upgrade":
            schema.upgrade(engine)
            print(f"the schema is at revision {schema.newest_revision()}")
        else:
            schema.downgrade(engine)
            print("the tables of sorobanflow are removed")


if __name__ == "__main__":
    main()
