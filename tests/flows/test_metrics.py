"""A run counts what it did, and the server gives that beside the state of node and database."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from blocks import Database, StellarRpc
from deployments.metrics import serve_metrics
from flows.harness.metrics import VARIABLE
from sorobanflow.devnet import Chain, DevnetServer, parse_faults
from sorobanflow.errors import ConfigurationError
from sorobanflow.metrics.catalogue import COUNTED, READ
from tests.flows.flow_server import ROOT, FlowServer, open_flow_server
from tests.ledgers import generated

Blocks = Callable[[str], dict[str, str]]
#: What has no value where nothing fails and no gap is recorded.
OF_FAULTS = {
    "sorobanflow_batches_failed_total",
    "sorobanflow_gap_ledgers_recorded_total",
}
#: What has no value where nothing is wrong and all is indexed.
OF_TROUBLE = {"sorobanflow_status_problems", "sorobanflow_retention_seconds_left"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the flows count."""
    return tmp_path / "metrics"


@pytest.fixture
def counting(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlowServer]:
    """Runs flows that count."""
    monkeypatch.setenv(VARIABLE, str(folder))
    with open_flow_server(PREFECT_API_URL.value() or "", tmp_path / "log", events=False) as server:
        yield server


def _scrape(address: str) -> list[Metric]:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def _values(families: list[Metric]) -> dict[tuple[str, ...], float]:
    """Values by name without prefix, and labels in the order of their names."""
    return {
        (
            sample.name.removeprefix("sorobanflow_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def _blocks(rpc_url: str, database_url: str) -> tuple[StellarRpc, Database]:
    return StellarRpc(url=SecretStr(rpc_url)), Database(url=SecretStr(database_url))


def test_runs_and_state_are_served(
    counting: FlowServer,
    folder: Path,
    save_blocks: Blocks,
    serve: Callable[..., DevnetServer],
    database_url: str,
) -> None:
    chain = Chain(generated(), closed=30)
    server = serve(chain, faults=parse_faults("getEvents:1=503,getTransactions:2=429/0.1"))
    parameters = save_blocks(server.url) | {"start_ledger": 1, "batch_size": 100}
    counting.run("index", parameters)
    chain.close(10)
    counting.run("index", parameters)
    with serve_metrics(folder, *_blocks(server.url, database_url), "127.0.0.1", 0) as address:
        families = _scrape(address)
    values = _values(families)
    assert values["ledgers_written_total", "all"] == 40
    assert values["covered_end_ledger", "all"] == values["node_latest_ledger",] == 40
    assert values["lag_ledgers", "all"] == values["gap_ledgers", "all"] == 0
    assert values["up", "node"] == values["up", "database"] == 1
    assert values["rows_written_total", "transactions"] == values["table_rows", "transactions"]
    batches = values["batches_written_total", "all"]
    assert batches > 3
    for step in ("fetch", "decode", "write"):
        assert values["batch_step_seconds_count", step] == batches
        assert 0 < values["batch_step_seconds_sum", step] < 60
    assert values["rpc_calls_total", "getNetwork", "ok"] == 2
    assert values["rpc_calls_total", "getEvents", "RpcUnavailableError"] == 1
    assert values["rpc_retries_total", "RpcUnavailableError", "getEvents"] == 1
    assert values["rpc_concurrency_cuts_total", "rate"] == 1
    assert values["rpc_answer_bytes_total", "getTransactions"] > 10_000
    assert time.time() - values["last_commit_timestamp_seconds", "all"] < 60
    _assert_all_exported(families)


def _assert_all_exported(families: list[Metric]) -> None:
    """What is exported is in the catalogue, and the other way round."""
    exported = {family.name + "_total" * (family.type == "counter") for family in families}
    everything = {spec.full_name for spec in (*COUNTED, *READ)}
    assert exported == everything - OF_FAULTS - OF_TROUBLE


def test_state_of_a_node_that_is_away(
    folder: Path,
    run_index: Callable[..., object],
    serve: Callable[..., DevnetServer],
    database_url: str,
) -> None:
    run_index(serve(Chain(generated(), closed=5)), start_ledger=1)
    assert not folder.exists()  # the run had no folder to count in
    node, database = _blocks("http://planted:secret@127.0.0.1:9/key", database_url)
    with serve_metrics(folder, node, database, "127.0.0.1", 0) as address:
        values = _values(_scrape(address))
    assert (values["up", "node"], values["up", "database"]) == (0, 1)
    assert values["covered_end_ledger", "all"] == 5
    assert not any("secret" in word or "planted" in word for key in values for word in key)


def test_state_of_a_database_that_is_away(
    folder: Path, serve: Callable[..., DevnetServer], database_url: str
) -> None:
    node, database = _blocks(
        serve(Chain(generated(), closed=5)).url, database_url.replace("/test_", "/none_")
    )
    with serve_metrics(folder, node, database, "127.0.0.1", 0) as address:
        values = _values(_scrape(address))
    assert (values["up", "node"], values["up", "database"]) == (1, 0)
    assert values["node_latest_ledger",] == 5


def test_port_that_is_taken_is_refused(
    folder: Path, serve: Callable[..., DevnetServer], database_url: str
) -> None:
    server = serve(Chain(generated(), closed=1))
    port = int(server.url.rpartition(":")[2])
    with (
        pytest.raises(ConfigurationError, match=f"port {port} is in use by an HTTP server"),
        serve_metrics(folder, *_blocks(server.url, database_url), "127.0.0.1", port),
    ):
        pass


def test_damaged_files_leave_a_run_without_metrics(folder: Path) -> None:
    folder.mkdir()
    (folder / "counter_0.db").write_bytes(b"\x40" * 131_072)
    code = (
        "from flows.harness.metrics import process_metrics; from prometheus_client import Counter; "
        "print(process_metrics()); Counter('others', 'Not ours').inc()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {VARIABLE: str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith("None")
    assert f"no metrics are counted in {folder}" in done.stdout + done.stderr
