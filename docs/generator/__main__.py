"""Write the generated pages, or check that they are current.

    python -m docs.generator            write them
    python -m docs.generator --check    write nothing; exit code 1 if one is not current

Needs no server: it starts an embedded PostgreSQL in a temporary folder.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from docs.generator.configuration import configuration_page
from docs.generator.tables import tables_page
from sorobanflow.store import schema
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings

DOCS = Path(__file__).parents[1]


def main() -> int:
    """Write or check the pages; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    with _migrated() as engine:
        pages = {"tables.md": tables_page(engine), "configuration.md": configuration_page()}
    old = [name for name, text in pages.items() if _read(DOCS / name) != text]
    if check and old:
        print(f"not current: {', '.join(old)}; run `python -m docs.generator`", file=sys.stderr)
        return 1
    for name in old:
        (DOCS / name).write_text(pages[name])
        print(f"wrote docs/{name}")
    return 0


@contextmanager
def _migrated() -> Iterator[Engine]:
    with (
        tempfile.TemporaryDirectory(prefix="sorobanflow-docs-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
        open_engine(server.url, PoolSettings(max_idle=0)) as engine,
    ):
        schema.prepare(engine)
        yield engine


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
