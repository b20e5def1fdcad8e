"""Show the streams of a database, end one, or forget one: `sorobanflow streams`."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from blocks import Database
from blocks.documents import load_block
from deployments.migrate import owners_database
from deployments.stream_runs import last_runs, runs_at_work
from flows.harness.indexer import in_use
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import count_ledgers, ranges_text
from sorobanflow.status.database import read_id
from sorobanflow.status.listing import read_listing, to_json, to_text
from sorobanflow.store import schema
from sorobanflow.store.coverage import end_stream
from sorobanflow.store.forget import Part, check_forgettable, forget_stream, survey_stream
from sorobanflow.store.needed import StoredStream
from sorobanflow.texts import count

#: Seconds between two lines about the progress.
PROGRESS_S = 5.0


def show(block: str, *, as_json: bool) -> None:
    """Print the streams of the block's database."""
    with opened(load_block(Database, block), block) as (engine, database_id):
        listing = read_listing(engine, last_runs(database_id))
    print(to_json(listing).decode() if as_json else to_text(listing))


def end(name: str, block: str) -> None:
    """End the stream's live indexing, and print what was done."""
    with opened(load_block(Database, block), block) as (engine, _):
        coverage = end_stream(engine, name)
    print(f"stream {name} has ended: its lag and its holes are no problem any more")
    print(f"the rows of its ledgers, {coverage}, stay; running `index` with it begins it again")


def forget(name: str, block: str, *, dry_run: bool, yes: bool) -> int:
    """Forget the stream, or count what would go; gives the exit code: 1 if nobody agreed.

    Raises:
        ConfigurationError: the stream cannot be forgotten, a run of it is at work, or nobody can
            be asked.
    """
    with opened(owners_database(block), block) as (engine, database_id):
        streams = check_forgettable(engine, name)
        stream, is_last = streams.own, not streams.others
        if dry_run:
            print(f"{_rows(_reported(survey_stream(engine, name), stream))} would go")
            return 0
        _refuse_runs(database_id, name)
        if not yes and not _agreed(stream, is_last=is_last):
            print("nothing was changed")
            return 1
        rows = _rows(_reported(forget_stream(engine, name), stream))
    print(f"stream {name} is forgotten, with {rows}; running `index` with it begins it again")
    if is_last:
        print("files that `archive` wrote stay, but the database knows nothing of them any more")
    return 0


@contextmanager
def opened(database: Database, block: str) -> Iterator[tuple[Engine, str]]:
    """Open a database that is in use; gives its id, too."""
    with database.engine() as engine:
        if not in_use(engine):
            raise ConfigurationError(f"nothing is indexed yet in the database of block {block!r}")
        schema.prepare(engine)
        yield engine, read_id(engine) or ""


def _refuse_runs(database_id: str, name: str) -> None:
    if runs := runs_at_work(database_id, name):
        raise ConfigurationError(
            f"stream {name} is being indexed, says Prefect, by {', '.join(runs)}; cancel it in the "
            "Prefect UI and wait for its end, or delete it there if its process is gone"
        )


def _agreed(stream: StoredStream, *, is_last: bool) -> bool:
    """Say what goes, and ask for the stream's name."""
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask at; add --yes, or --dry-run first")
    goes = "its coverage, its gaps, and the rows that no other stream needs"
    if is_last:
        goes = "EVERYTHING THAT IS STORED: all rows of all tables, but for the network's name"
    ledgers = f"{count(count_ledgers(stream.covered), 'ledger')} ({ranges_text(stream.covered)})"
    print(f"stream {stream.name} covers {ledgers}; {goes} will be removed")
    try:
        return input(f"to go on, type its name, {stream.name}: ").strip() == stream.name
    except EOFError:
        return False


def _reported(parts: Iterable[Part], stream: StoredStream) -> Counter[str]:
    """Take the parts, with a line about the progress now and then; gives rows by table."""
    rows, done, total = Counter[str](), 0, count_ledgers(stream.covered)
    said_at = time.monotonic()
    for part in parts:
        rows.update(part.rows)
        done += part.ledgers.size if part.ledgers else 0
        if time.monotonic() - said_at > PROGRESS_S:
            said_at = time.monotonic()
            print(f"{done:,} of {total:,} ledgers, {rows.total():,} rows", file=sys.stderr)
    return rows


def _rows(rows: Counter[str]) -> str:
    tables = ", ".join(f"{name} {number:,}" for name, number in sorted(rows.items()) if number)
    return count(rows.total(), "row") + (f" ({tables})" if tables else "")
