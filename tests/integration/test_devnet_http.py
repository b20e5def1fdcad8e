"""The devnet's HTTP layer, its faults on the wire, and its command line."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults

HEALTH = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
Start = Callable[..., DevnetServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server with a schedule of faults, in its text form."""
    servers: list[DevnetServer] = []

    def run(faults: str = "", **options: Any) -> DevnetServer:
        chain = Chain(Generator(2, transactions_per_ledger=2), closed=3)
        server = DevnetServer(chain, faults=parse_faults(faults), **options)
        server.start()
        servers.append(server)
        return server

    yield run
    for server in servers:
        server.stop()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as opened:
        yield opened


def post(client: httpx.Client, server: DevnetServer, body: object = HEALTH) -> httpx.Response:
    return client.post(server.url, json=body)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_http_methods_are_405(start: Start, client: httpx.Client, method: str) -> None:
    assert client.request(method, start().url).status_code == 405


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        (None, 415),
    ],
)
def test_content_type(
    start: Start, client: httpx.Client, content_type: str | None, status: int
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    got = client.post(start().url, content=json.dumps(HEALTH), headers=headers)
    assert got.status_code == status


def test_large_body_is_500_and_the_server_lives_on(start: Start, client: httpx.Client) -> None:
    server = start()
    body = {**HEALTH, "params": {"x": "a" * 512 * 1024}}
    assert post(client, server, body).status_code == 500
    assert post(client, server).status_code == 200


def test_body_that_is_no_json_is_500(start: Start, client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    got = client.post(start().url, content=b"{", headers=headers)
    assert (got.status_code, got.text) == (500, "[-32700] invalid request value")


def test_empty_batch_is_204_without_a_body(start: Start, client: httpx.Client) -> None:
    server = start()
    got = post(client, server, [])
    assert (got.status_code, got.content) == (204, b"")
    assert post(client, server).status_code == 200


def test_connection_is_kept_alive(start: Start) -> None:
    server = start()
    with httpx.Client(limits=httpx.Limits(max_connections=1)) as client:
        ports = set()
        for _ in range(3):
            response = post(client, server)
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr")[1])
    assert len(ports) == 1


def test_stopped_server_closes_connections(start: Start, client: httpx.Client) -> None:
    server = DevnetServer(Chain(Generator(2), closed=1))
    with server:
        post(client, server)
    with pytest.raises(httpx.TransportError):
        post(client, server)


def test_latency_is_added_to_every_call(start: Start, client: httpx.Client) -> None:
    server = start(latency_s=0.05)
    began = time.monotonic()
    post(client, server)
    assert time.monotonic() - began >= 0.05


def test_status_fault_hits_one_call(start: Start, client: httpx.Client) -> None:
    server = start("getHealth:2=429/2")
    got = [post(client, server) for _ in range(3)]
    assert [each.status_code for each in got] == [200, 429, 200]
    assert got[1].headers["Retry-After"] == "2"
    assert server.calls == {"getHealth": 3}


def test_html_fault(start: Start, client: httpx.Client) -> None:
    got = post(client, start("getHealth:1=html"))
    assert (got.status_code, got.headers["Content-Type"]) == (502, "text/html")


@pytest.mark.parametrize("fault", ["drop", "truncate"])
def test_broken_answers(start: Start, client: httpx.Client, fault: str) -> None:
    server = start(f"getHealth:1={fault}")
    with pytest.raises(httpx.RemoteProtocolError):
        post(client, server)
    assert post(client, server).status_code == 200


def test_slow_fault_outlasts_a_timeout(start: Start) -> None:
    server = start("getHealth:1=slow/2")
    with httpx.Client(timeout=0.1) as hasty, pytest.raises(httpx.ReadTimeout):
        post(hasty, server)


@pytest.mark.parametrize("code", [-32001, -32003, -32098, -32603])
def test_rpc_error_fault(start: Start, client: httpx.Client, code: int) -> None:
    got = post(client, start(f"getHealth:1={code}"))
    assert (got.status_code, got.json()["error"]["code"]) == (200, code)


def test_not_found_fault_hides_a_transaction_for_a_while(
    start: Start, client: httpx.Client
) -> None:
    server = start("getTransaction:1-2=not_found")
    tx_hash = server.chain.ledger(2).transactions[0].hash
    body = {**HEALTH, "method": "getTransaction", "params": {"hash": tx_hash}}
    statuses = [post(client, server, body).json()["result"]["status"] for _ in range(3)]
    assert statuses[:2] == ["NOT_FOUND"] * 2
    assert statuses[2] != "NOT_FOUND"


def test_behind_fault_takes_ledgers_away(start: Start, client: httpx.Client) -> None:
    server = start("getHealth:1=behind/2")
    latest = [post(client, server).json()["result"]["latestLedger"] for _ in range(2)]
    assert latest == [1, 3]


def test_refused_batches(start: Start, client: httpx.Client) -> None:
    server = start("batch:*=refuse_batches")
    assert post(client, server, [HEALTH]).json()["error"]["code"] == -32600
    assert "result" in post(client, server).json()


def test_listens_on_loopback_only(start: Start) -> None:
    assert start().url.startswith("http://127.0.0.1:")


def test_client_that_breaks_off_is_not_fatal(start: Start, client: httpx.Client) -> None:
    server = start()
    port = int(server.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert post(client, server).status_code == 200


class Command:
    """The devnet as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "sorobanflow.devnet", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.ready = self._process.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        self._process.communicate(timeout=10)
        return self._process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_says_when_it_is_ready_and_stops_on_a_signal(number: int) -> None:
    command = Command("--ledgers", "30", "--retention", "20")
    assert command.stop(number) == 0
    pattern = (
        r"devnet: http://127\.0\.0\.1:\d+ ledgers 11-30, network 'Sorobanflow Devnet ; 2026'\n"
    )
    assert re.fullmatch(pattern, command.ready)


def test_command_pauses_its_chain_between_runs(tmp_path: Path) -> None:
    state = tmp_path / "tip"
    arguments = ("--ledgers", "5", "--close-every", "0.1", "--state", str(state))
    first = Command(*arguments)
    time.sleep(0.5)
    assert first.stop() == 0
    latest = int(state.read_text())
    assert latest > 5
    second = Command(*arguments)
    assert second.stop() == 0
    assert f"ledgers 1-{latest}," in second.ready


def test_command_serves_a_recording(recording_path: Callable[[str], Path]) -> None:
    command = Command("--recording", str(recording_path("pubnet-63800060")))
    assert command.stop() == 0
    assert "network 'Public Global Stellar Network ; September 2015'" in command.ready


def test_command_refuses_a_bad_schedule() -> None:
    command = [sys.executable, "-m", "sorobanflow.devnet", "--faults", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "bad fault 'nonsense'" in done.stderr
