"""The automations on a real Prefect server, firing at a real webhook."""

import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import TEST_TEXT, register_automations, send_test_message
from deployments.register_blocks import register_blocks
from sorobanflow.devnet import Chain, DevnetServer
from tests.flows.flow_server import FlowServer
from tests.ledgers import generated

NOBODY = "http://127.0.0.1:9"
BLOCKS = {"rpc": "automated", "database": "automated"}
LONG = timedelta(days=1)
BEGUN = "; stream all covers "
SILENT_FOR_10_S = "sorobanflow: no scheduled run of index has judged its stream for 10 seconds"
WAIT_S = 60


@pytest.fixture
def notified() -> Iterator[tuple[str, "queue.Queue[str]"]]:
    """A webhook's address, and the texts that it gets."""
    texts: queue.Queue[str] = queue.Queue()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            texts.put(json.loads(body)["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", texts
        server.shutdown()


def test_outages_are_told_once_each_and_runs_by_hand_or_wrong_parameters_never(
    prefect_api: str,
    flows: FlowServer,
    notified: tuple[str, "queue.Queue[str]"],
    database_url: str,
) -> None:
    """The node is away, then the database; what runs by hand meet is told to nobody.

    Nor is it when somebody stops a scheduled run; but then, with a short time for the half hour,
    that nothing runs.
    """

    def save_blocks(rpc_url: str, database: str) -> None:
        variables = {"BLOCK": "automated", "RPC_URL": rpc_url, "DATABASE_URL": database}
        register_blocks({f"SOROBANFLOW_{name}": value for name, value in variables.items()})

    def scheduled(number: int, **parameters: Any) -> list[int]:
        flow = partial(flows.start, "scheduled-index")
        runs = [flow(BLOCKS | parameters) for _ in range(number)]
        return [run.wait() for run in runs]

    def stopped(number: int) -> int:
        begun = flows.log.read_text().count(BEGUN)
        run = flows.start("scheduled-index", BLOCKS | {"follow_s": 60})
        deadline = time.monotonic() + WAIT_S
        while flows.log.read_text().count(BEGUN) == begun and time.monotonic() < deadline:
            time.sleep(0.1)
        run.signal(number)
        return run.wait()

    url, texts = notified
    chain = Chain(generated(first=100), closed=3)
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        register_automations("http://127.0.0.1:9/nobody", LONG)
        names = register_automations(url, LONG)  # again: changed, not doubled
        with get_client(sync_client=True) as client:
            ours = [one.name for one in client.read_automations() if "sorobanflow" in one.name]
        assert sorted(ours) == sorted(names)
        send_test_message()
        assert texts.get(timeout=WAIT_S) == TEST_TEXT
        with DevnetServer(chain) as node:
            save_blocks(node.url, database_url)
            assert scheduled(1) == [0]
            assert stopped(signal.SIGINT) != 0
            assert stopped(signal.SIGTERM) != 0

        save_blocks(NOBODY, database_url)
        by_hand = flows.start("index", BLOCKS | {"stall_s": 5})
        assert [*scheduled(3, stall_s=5), by_hand.wait()] == [1] * 4
        assert scheduled(1, follow_s=-1) == [1]
        text = texts.get(timeout=WAIT_S)
        assert text.startswith("sorobanflow: stream all of devnet is unhealthy: the run of index ")
        assert "nothing was committed for 5 s" in text

        with DevnetServer(chain) as node:
            save_blocks(node.url, "postgresql://me@127.0.0.1:9/nothing")
            assert scheduled(3, stall_s=5) == [1] * 3
            assert "the database of the block automated cannot be" in texts.get(timeout=WAIT_S)
            save_blocks(node.url, database_url)
            chain.close(1)
            assert scheduled(1) == [0]
            healthy, usable = sorted(texts.get(timeout=WAIT_S) for _ in range(2))
            assert texts.empty()
            register_automations(url, timedelta(seconds=10), LONG)
            assert scheduled(1) == [0]
        assert texts.get(timeout=WAIT_S) == SILENT_FOR_10_S
        register_automations("http://127.0.0.1:9/nobody", LONG)
    assert healthy.startswith("sorobanflow: stream all of devnet is healthy again, after ")
    assert usable == "sorobanflow: the database of the block automated can be used again"
    assert texts.empty()


@pytest.mark.long
def test_silence_is_notified(prefect_api: str, notified: tuple[str, "queue.Queue[str]"]) -> None:
    url, texts = notified
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        register_automations(url, timedelta(days=2), reminder=timedelta(seconds=10))
        try:
            assert texts.get(timeout=WAIT_S) == SILENT_FOR_10_S
        finally:
            register_automations("http://127.0.0.1:9/nobody", LONG)
