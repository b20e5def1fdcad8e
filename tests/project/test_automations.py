"""The automations on a real Prefect server, firing at a real webhook."""

import json
import queue
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import register_automations
from deployments.register_blocks import register_blocks
from sorobanflow.devnet import Chain, DevnetServer
from tests.flows.flow_server import FlowServer
from tests.ledgers import generated

BLOCKS = {"rpc": "automated", "database": "automated"}
LONG = timedelta(days=1)
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


def test_incomplete_and_failed_runs_are_notified_and_good_ones_are_not(
    prefect_api: str,
    flows: FlowServer,
    notified: tuple[str, "queue.Queue[str]"],
    database_url: str,
) -> None:
    def index(**parameters: Any) -> int:
        return flows.start("index", parameters | BLOCKS).wait()

    url, texts = notified
    server = DevnetServer(Chain(generated(first=100), closed=3))
    with temporary_settings({PREFECT_API_URL: prefect_api}), server:
        register_automations("http://127.0.0.1:9/nobody", LONG)
        register_automations(url, LONG)  # again: changed, not doubled
        with get_client(sync_client=True) as client:
            ours = [one.name for one in client.read_automations() if "sorobanflow" in one.name]
        assert len(ours) == len(set(ours)) == 2
        register_blocks(
            {
                "SOROBANFLOW_BLOCK": "automated",
                "SOROBANFLOW_RPC_URL": server.url,
                "SOROBANFLOW_DATABASE_URL": database_url,
            }
        )
        assert index(start_ledger=50, allow_gap=True) == 1
        text = texts.get(timeout=WAIT_S)
        assert text.startswith("sorobanflow: index run ")
        assert "ended as Incomplete: indexed 3 ledgers (100-102)" in text
        assert text.endswith("ledgers 50-99 recorded as a gap")
        assert index() == 0
        assert index(start_ledger=500) == 1
        # The next one is of the last run: that between them was a success.
        text = texts.get(timeout=WAIT_S)
        assert "ended as Failed: " in text
        assert "500 is above the node's newest ledger 102" in text
        assert texts.empty()


@pytest.mark.long
def test_silence_is_notified(prefect_api: str, notified: tuple[str, "queue.Queue[str]"]) -> None:
    url, texts = notified
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        register_automations(url, timedelta(seconds=10))
        try:
            assert texts.get(timeout=WAIT_S) == (
                "sorobanflow: no run of index has succeeded for 10 seconds"
            )
        finally:
            register_automations("http://127.0.0.1:9/nobody", LONG)
