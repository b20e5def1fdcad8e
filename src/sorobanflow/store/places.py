"""Where files of the archive are: a folder, or a bucket of S3 or Google Cloud Storage.

Invariant: under its name a file is whole. It is written elsewhere, to disk, and then renamed, or
put into the bucket, which takes objects as a whole. No message repeats what obstore says of
credentials.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import GCSStore, S3Store

from sorobanflow.errors import ArchiveError, ConfigurationError, RetriableError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.lake.bucket import SCHEMES, open_bucket, shown_url

#: Hive's form: programs that read many files take the ledgers from their paths.
_KEY = "{table}/first_ledger={first}/last_ledger={last}/part-0.parquet"
_CHUNK_BYTES = 4 * 2**20
#: Of one request; a part of a file takes seconds.
_HTTP = HttpSettings(timeout_s=120)


class Place(Protocol):
    """Keeps files under keys such as `events/first_ledger=…/last_ledger=…/part-0.parquet`."""

    def path_of(self, key: str) -> str:
        """Give what names a file from anywhere: an absolute path, or a URL without secrets."""

    @contextmanager
    def draft(self, key: str) -> Iterator[Path]:
        """Give the path of a local file to write first; it is gone at the end."""

    def publish(self, draft: Path, key: str) -> None:
        """Keep the draft under the key, in place of an older file, and on disk."""

    def size(self, key: str) -> int | None:
        """Ask for a file's size; None: there is none."""

    def read(self, key: str) -> Iterator[bytes]:
        """Read a file, piece by piece."""


def key_of(table: str, ledgers: LedgerRange) -> str:
    """Give the key of a table's file."""
    return _KEY.format(table=table, **ledgers._asdict())


def open_place(target: str, options: Mapping[str, str]) -> Place:
    """Open the folder or bucket; `options` are obstore's, for buckets only.

    Raises:
        ConfigurationError: the target or an option cannot be used.
    """
    scheme, separator, _ = target.partition("://")
    if scheme in SCHEMES and separator:
        return Bucket(target, options)
    if separator or not Path(target).is_absolute():
        raise ConfigurationError(
            f"the target {target[:100]!r} is neither an absolute path nor a URL like "
            "s3://bucket/path; set one of these"
        )
    return Folder(Path(target))


def digest(pieces: Iterator[bytes]) -> str:
    """Give the SHA-256 of a file, hex."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def pieces_of(path: Path) -> Iterator[bytes]:
    """Read a local file piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece


class Folder:
    """A folder on this machine; missing ones are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, key: str) -> str:
        """Give its absolute path."""
        return str(self._folder / key)

    @contextmanager
    def draft(self, key: str) -> Iterator[Path]:
        """Give a hidden file beside the final one; one that a kill left is written over."""
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the folder {path.parent} cannot be made: {error.strerror}; choose another target"
            ) from error
        draft = path.with_name(f".{path.name}.draft")
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def publish(self, draft: Path, key: str) -> None:
        """Rename the draft; a crash of the machine loses nothing after this."""
        path = self._folder / key
        _sync(draft)
        draft.replace(path)
        for folder in (path.parent, *path.parents[1:4]):
            _sync(folder)

    def size(self, key: str) -> int | None:
        """Ask for its size."""
        try:
            return (self._folder / key).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """Read it."""
        return pieces_of(self._folder / key)


class Bucket:
    """A bucket, or what is below a path in it."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._address = shown_url(url)
        self._store: S3Store | GCSStore = open_bucket(url, self._address, options, _HTTP)

    def path_of(self, key: str) -> str:
        """Give its URL."""
        return f"{self._address}/{key}"

    @contextmanager
    def draft(self, key: str) -> Iterator[Path]:
        """Give a file in the folder for temporary files (TMPDIR)."""
        with NamedTemporaryFile(suffix=".parquet") as file:
            yield Path(file.name)

    def publish(self, draft: Path, key: str) -> None:
        """Put the draft, and read it back: the bucket must have its very bytes."""
        with self._named_failures(key, "written"):
            obstore.put(self._store, key, draft)
        if digest(self.read(key)) != digest(pieces_of(draft)):
            raise ArchiveError(f"{self.path_of(key)} is not what was put there; look at the bucket")

    def size(self, key: str) -> int | None:
        """Ask for its size."""
        try:
            with self._named_failures(key, "found"):
                return obstore.head(self._store, key)["size"]
        except FileNotFoundError:
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """Read it."""
        with self._named_failures(key, "read"):
            for piece in obstore.get(self._store, key).stream(_CHUNK_BYTES):
                yield bytes(piece)

    @contextmanager
    def _named_failures(self, key: str, done: str) -> Iterator[None]:
        try:
            yield
        except NotFoundError:
            raise FileNotFoundError(self.path_of(key)) from None
        except BaseError as error:
            raise RetriableError(
                f"{self.path_of(key)} could not be {done} ({type(error).__name__}); check the "
                "bucket's name, its credentials, and the rights to read and write objects"
            ) from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
