"""Bring the schema of a Database block's database to this program's, or take it back.

Run as `python -m deployments.migrate [upgrade|downgrade] [--database NAME]`.
"""

import argparse

from blocks import Database
from blocks.documents import DEFAULT_NAME, load_block
from sorobanflow.store import schema


def main() -> None:
    """Migrate, and say which revision the database has now."""
    parser = argparse.ArgumentParser(prog="python -m deployments.migrate", description=__doc__)
    parser.add_argument("direction", nargs="?", choices=("upgrade", "downgrade"), default="upgrade")
    parser.add_argument("--database", default=DEFAULT_NAME, help="name of the block")
    options = parser.parse_args()
    with load_block(Database, options.database).engine() as engine:
        if options.direction == "upgrade":
            schema.upgrade(engine)
            print(f"the schema is at revision {schema.newest_revision()}")
        else:
            schema.downgrade(engine)
            print("the tables of sorobanflow are removed")


if __name__ == "__main__":
    main()
