"""Every panel of the dashboard has data in a real Prometheus, also when no run works any more."""

import json
import math
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from blocks import Database, StellarRpc
from deployments.metrics import serve_metrics
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from tests.integration.index_all import index_all
from tests.ledgers import generated
from tests.needs import program

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
DASHBOARD = json.loads((DEPLOYMENTS / "grafana/dashboard.json").read_text())
EVERY_S = 0.2

#: A run: counts one record of each kind, twice, with scrapes between.
RUN = """
import sys, time
from pathlib import Path
from sorobanflow.ledgers import LedgerRange
from sorobanflow.metrics.slots import open_metrics
from sorobanflow.records import *
sink = open_metrics(Path(sys.argv[1]))
ledgers, before = LedgerRange(1, 9), None
for second in (1, 2):
    pool = PoolStats(9, 2, 1, 1, second, second, second, second, second)
    for record in (
        CallFinished("getEvents", 0.2, 1000, None),
        CallFinished("getEvents", 0.2, 1000, "RpcTimeoutError"),
        Retrying("getEvents", 0.5, "RpcTimeoutError"),
        BreakerChanged("getEvents", "open"),
        ConcurrencyChanged(5, 10, "rate"),
        StepDone("write", 0.1),
        BatchWritten("all", ledgers, {"events": 3}, 1000),
        BatchFailed("RpcTimeoutError"),
        GapRecorded("all", ledgers),
        PoolSampled(pool, before),
    ):
        sink(record)
    before = pool
    time.sleep(1)
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def query(
    tmp_path: Path, engine: Engine, database_url: str
) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Give the result of a query to a Prometheus that scrapes the metrics of a run that ended."""
    prometheus = program("prometheus")
    with ExitStack() as stack:
        server = stack.enter_context(DevnetServer(Chain(generated(), closed=30)))
        with RpcClient(server.url) as client:
            index_all(client, engine, LedgerRange(1, 20))
        node, database = (
            StellarRpc(url=SecretStr(server.url)),
            Database(url=SecretStr(database_url)),
        )
        address = stack.enter_context(
            serve_metrics(tmp_path / "metrics", node, database, "127.0.0.1", 0)
        )
        config = tmp_path / "prometheus.yml"
        target = urllib.parse.urlsplit(address).netloc
        config.write_text(
            f"global: {{scrape_interval: {EVERY_S * 1000:.0f}ms}}\n"
            "scrape_configs:\n- job_name: sorobanflow\n"
            f"  static_configs: [{{targets: ['{target}']}}]\n"
        )
        url = stack.enter_context(_prometheus(prometheus, config))
        subprocess.run([sys.executable, "-c", RUN, str(tmp_path / "metrics")], check=True)
        time.sleep(3 * EVERY_S)
        yield lambda expression: _result(url, expression)


@contextmanager
def _prometheus(path: str, config: Path) -> Iterator[str]:
    """Run a Prometheus, from its first scrape on; gives its URL."""
    url = f"http://127.0.0.1:{_free_port()}"
    command = [
        path,
        f"--config.file={config}",
        f"--storage.tsdb.path={config.with_name('tsdb')}",
        f"--web.listen-address={urllib.parse.urlsplit(url).netloc}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + 30
            while not _has_scraped(url):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(EVERY_S)
            yield url
        finally:
            process.terminate()


def _has_scraped(url: str) -> bool:
    try:
        return bool(_result(url, "sorobanflow_up"))
    except OSError:
        return False


def _result(url: str, expression: str) -> list[dict[str, Any]]:
    words = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{words}", timeout=10) as answer:
        return list(json.load(answer)["data"]["result"])


def test_every_panel_and_alert_has_what_it_asks_for(
    query: Callable[[str], list[dict[str, Any]]],
) -> None:
    values = {"$__rate_interval": "30s", "$stream": ".*"}
    empty = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in values.items():
                expression = expression.replace(variable, value)
            numbers = [float(one["value"][1]) for one in query(expression)]
            if all(map(math.isnan, numbers)):
                empty.append((panel["title"], expression))
    assert empty == []
    assert [one["value"][1] for one in query("sorobanflow_pool_connections_max")] == ["0"]
    assert {one["value"][1] for one in query("sorobanflow_rpc_breaker_state")} == {"0"}
    rules = (DEPLOYMENTS / "prometheus/alerts.yaml").read_text()
    for expression in re.findall(r"expr: (.*)", rules):
        query(expression)  # an error of the language is HTTP 400


def test_prometheus_takes_the_alert_rules() -> None:
    program("prometheus")
    command = ["promtool", "check", "rules", str(DEPLOYMENTS / "prometheus/alerts.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
