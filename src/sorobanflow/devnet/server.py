"""The devnet's node over HTTP; `jsonrpc` handles JSON-RPC, `http_server` HTTP."""

from collections.abc import Iterable
from email.message import Message

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.faults import BATCH, Fault, FaultSchedule, check_fault
from sorobanflow.devnet.http_server import HttpServer, Request, text_reply
from sorobanflow.devnet.jsonrpc import Dispatcher
from sorobanflow.devnet.node import METHODS, Node
from sorobanflow.devnet.reply import Reply


class DevnetServer(HttpServer):
    """A local Stellar RPC node.

    Args:
        chain: The chain that it serves.
        port: 0 takes a free port.
        latency_s: Seconds by which every HTTP call is delayed.
        faults: Faults of the calls; see `faults`.

    Raises:
        ConfigurationError: no call can get one of the faults.
    """

    def __init__(
        self,
        chain: Chain,
        port: int = 0,
        latency_s: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        faults = tuple(faults)
        for fault in faults:
            check_fault(fault, (*METHODS, BATCH))
        self.chain = chain
        self._schedule = FaultSchedule(faults)
        self._dispatcher = Dispatcher(Node(chain).call, self._schedule)
        super().__init__(self._answer, port, latency_s)

    @property
    def calls(self) -> dict[str, int]:
        """Calls so far by method; `batch` counts the batches."""
        return self._schedule.calls

    def _answer(self, request: Request) -> Reply:
        if request.method != "POST":
            return text_reply(405, "method not allowed")
        if request.body is None:
            return text_reply(500, "http: request body too large")
        if not _is_json(request.headers):
            return text_reply(415, "content-type must be application/json")
        return self._dispatcher.answer(request.body)


def _is_json(headers: Message) -> bool:
    charset = headers.get_content_charset("utf-8")
    named = headers.get("Content-Type") is not None
    return (
        named and headers.get_content_type() == "application/json" and charset in ("utf-8", "utf8")
    )
