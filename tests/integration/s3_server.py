"""A real S3 server for tests (moto's), in a process of its own on 127.0.0.1."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import obstore
from obstore.store import S3Store

ACCESS = {
    "access_key_id": "planted-id",
    "secret_access_key": "planted-key",
    "region": "us-east-1",
}


@contextmanager
def s3_server() -> Iterator[str]:
    """Start the server; gives its URL."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            started = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr)
            yield next(found[0] for found in started if found)
        finally:
            process.kill()


def upload(folder: Path, endpoint: str, bucket: str, prefix: str) -> None:
    """Make a bucket of a folder's files."""
    httpx.put(f"{endpoint}/{bucket}").raise_for_status()
    options = {"endpoint": endpoint, **ACCESS}
    store = S3Store(bucket, prefix=prefix, client_options={"allow_http": True}, config=options)
    for file in folder.rglob("*"):
        if file.is_file():
            obstore.put(store, str(file.relative_to(folder)), file.read_bytes())
