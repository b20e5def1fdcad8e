"""Stop a client while it waits: on a real server, a retry, a breaker."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from sorobanflow.errors import ClientStoppedError
from sorobanflow.sources.endpoint.breaker import BreakerSettings
from sorobanflow.sources.endpoint.connections import Connections
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.rpc.client import RpcClient

HEALTH = b'{"jsonrpc":"2.0","id":%d,"result":{"latestLedger":9,"oldestLedger":1}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ANSWER = HEAD % len(HEALTH % 1) + HEALTH
CUT = HEAD % 1000


class Server:
    """Answers the requests of one connection with the parts given, then is silent."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._opened: list[socket.socket] = []
        self.silent = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        self._opened.append(connection)
        for number, answer in enumerate(self._answers, 1):
            _read_request(connection)
            connection.sendall(answer % number if answer == ANSWER else answer)
        if CUT not in self._answers:
            _read_request(connection)
        self.silent.set()

    def close(self) -> None:
        for one in (self._listener, *self._opened):
            one.close()


def _read_request(connection: socket.socket) -> None:
    read = b""
    while not read.endswith(b"}"):
        read += connection.recv(65536)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*answers: bytes) -> Server:
        servers.append(Server(*answers))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


class Caller(threading.Thread):
    """Asks for the health in a thread; keeps what is raised."""

    def __init__(self, client: RpcClient) -> None:
        super().__init__()
        self._client = client
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._client.get_health()
        except BaseException as error:
            self.error = error


def stopped_within(client: RpcClient, caller: Caller, seconds: float) -> BaseException | None:
    """Stop the client; give what ended the caller's wait."""
    started = time.monotonic()
    client.stop()
    caller.join(5)
    assert time.monotonic() - started < seconds
    return caller.error


@pytest.mark.parametrize(
    "answers",
    [(), (ANSWER,), (CUT,), (ANSWER, CUT)],
    ids=["silent", "silent on a kept connection", "cut", "cut on a kept connection"],
)
def test_stop_ends_a_call_under_way(
    serve: Callable[..., Server], answers: tuple[bytes, ...]
) -> None:
    server = serve(*answers)
    client = RpcClient(server.url)
    for _ in range(answers.count(ANSWER)):
        client.get_health()
    caller = Caller(client)
    assert server.silent.wait(5)
    assert isinstance(stopped_within(client, caller, 1), ClientStoppedError)
    assert client.breakers["getHealth"].snapshot().failures == 0
    client.close()


def test_stop_ends_the_wait_for_the_next_attempt() -> None:
    failed = threading.Event()

    def fail(request: httpx.Request) -> httpx.Response:
        failed.set()
        return httpx.Response(503)

    client = RpcClient(
        "http://node.example",
        retry=RetrySettings(base_s=30, cap_s=30),
        transport=httpx.MockTransport(fail),
        uniform=lambda low, high: high,
    )
    caller = Caller(client)
    assert failed.wait(5)
    assert isinstance(stopped_within(client, caller, 0.5), ClientStoppedError)


def test_stop_ends_the_wait_for_a_breaker() -> None:
    client = RpcClient(
        "http://node.example",
        retry=RetrySettings(base_s=0),
        breaker=BreakerSettings(failure_threshold=1, open_s=30),
        transport=httpx.MockTransport(lambda request: httpx.Response(503)),
    )
    caller = Caller(client)
    while client.breakers["getHealth"].state != "open":
        time.sleep(0.01)
    assert isinstance(stopped_within(client, caller, 0.5), ClientStoppedError)


def test_stopped_client_asks_nothing_and_can_be_closed() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=HEALTH % 1)

    client = RpcClient("http://node.example", transport=httpx.MockTransport(answer))
    client.stop()
    client.stop()
    for call in (
        client.get_health,
        lambda: client.get_events(1, 2),
        lambda: client.get_transaction_batch(["a", "b"], {}),
    ):
        with pytest.raises(ClientStoppedError):
            call()
    started = time.monotonic()
    client.pause(5)
    assert time.monotonic() - started < 0.5
    client.close()
    client.stop()
    assert asked == []


def test_stop_cuts_a_connection_that_is_made_later() -> None:
    class Made:
        def get_extra_info(self, info: str) -> object:
            return ours

    ours, theirs = socket.socketpair()
    connections = Connections()
    connections.stop()
    theirs.settimeout(5)
    with ours, theirs:
        connections.trace("connection.connect_tcp.complete", {"return_value": Made()})
        assert theirs.recv(1) == b""
