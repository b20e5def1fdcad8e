"""A data lake over HTTP, such as a public bucket: GETs of a manifest and of objects."""

from collections.abc import Iterable
from pathlib import Path

from sorobanflow.devnet.faults import (
    MANIFEST,
    OBJECT,
    OF_FILE,
    Fault,
    FaultSchedule,
    check_fault,
)
from sorobanflow.devnet.http_server import HttpServer, Request, text_reply
from sorobanflow.devnet.lake import MANIFEST as MANIFEST_KEY
from sorobanflow.devnet.lake import FolderLake, Lake
from sorobanflow.devnet.lake_faults import change_file
from sorobanflow.devnet.reply import Reply

_NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code></Error>"


class LakeServer(HttpServer):
    """Serves a data lake; its URL is that of the folder with the manifest.

    Args:
        lake: A folder, or a `ChainLake`.
        port: 0 takes a free port.
        latency_s: Seconds by which every request is delayed.
        faults: Faults of `manifest` and `object`; see `faults`.

    Raises:
        ConfigurationError: no request can get one of the faults.
    """

    def __init__(
        self,
        lake: Path | Lake,
        port: int = 0,
        latency_s: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        faults = tuple(faults)
        for fault in faults:
            check_fault(fault, (MANIFEST, OBJECT), OF_FILE)
        self._lake = FolderLake(lake) if isinstance(lake, Path) else lake
        self._schedule = FaultSchedule(faults)
        super().__init__(self._answer, port, latency_s)

    @property
    def calls(self) -> dict[str, int]:
        """Requests so far: of `manifest`, and of `object`s."""
        return self._schedule.calls

    def _answer(self, request: Request) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return text_reply(405, "method not allowed")
        key = request.path.partition("?")[0].removeprefix("/")
        content = self._lake.read(key)
        if content is None:
            reply = Reply(404, _NO_SUCH_KEY, "application/xml")
        else:
            reply = Reply(200, content, "application/octet-stream")
        for fault in self._schedule.next_call(MANIFEST if key == MANIFEST_KEY else OBJECT):
            reply = change_file(fault, self._lake, key, reply)
        return reply
