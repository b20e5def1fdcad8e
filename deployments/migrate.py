"""Upgrade the schema of a database to this program's, or remove it.

Run as `sorobanflow migrate`. The database is the block's, or the one in SOROBANFLOW_OWNER_URL:
the owner's password need not be in a block, whose user may only index. The schema changes at
once; then rows of an older release are moved, chunk by chunk. Runs may go on meanwhile, and who
is interrupted runs it again.
"""

import os
import time
from typing import Literal

from pydantic import SecretStr
from sqlalchemy import Engine

from blocks import Database
from blocks.documents import load_block
from sorobanflow.store import schema
from sorobanflow.store.moving import Moved, estimate_unmoved, move_all

#: Seconds between two lines of progress.
SHOW_EVERY_S = 10


def main(direction: Literal["upgrade", "downgrade"], block: str) -> None:
    """Migrate, and print the revision that the database has now."""
    with owners_database(block).engine() as engine:
        if direction == "upgrade":
            schema.upgrade(engine)
            print(f"the schema is at revision {schema.newest_revision()}", flush=True)
            move_old_rows(engine)
        else:
            schema.downgrade(engine)
            print("the tables of sorobanflow are removed")


def owners_database(block: str) -> Database:
    """Give the database with its owner's address, if the environment has it, else the block's."""
    if owner_url := os.environ.get("SOROBANFLOW_OWNER_URL"):
        return Database(url=SecretStr(owner_url))
    return load_block(Database, block)


def move_old_rows(engine: Engine, show_every_s: float = SHOW_EVERY_S) -> None:
    """Move what an older release stored, and print how far it is."""
    total = estimate_unmoved(engine)
    if total is None:
        return
    about = f", about {total:,}" if total else ""
    print(f"moving rows into the new tables{about}; runs may go on meanwhile", flush=True)
    shown = time.monotonic()

    def show(moved: Moved) -> None:
        nonlocal shown
        if time.monotonic() - shown >= show_every_s:
            shown = time.monotonic()
            print(progress_line(moved, total), flush=True)

    move_all(engine, show)
    print("all rows are moved")


def progress_line(moved: Moved, total: int) -> str:
    """Say what is moved, how fast, and how long the rest takes; `total` 0: not known."""
    rate = moved.rows / max(moved.seconds, 0.001)
    done = f"moved ledgers from {moved.ledgers.first} on: {moved.rows:,} rows, {rate:,.0f} a second"
    if not total:
        return done
    left_min = max(total - moved.rows, 0) / max(rate, 1) / 60
    return f"{done}, about {left_min:,.0f} min left"


if __name__ == "__main__":  # as it was called before
    raise SystemExit("error: run `sorobanflow migrate`")
