"""Names in the docs, the dashboard and the alert rules exist; a worker serves the metrics."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.register_blocks import register_blocks
from sorobanflow.metrics.catalogue import AUDITED, COUNTED, READ

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bsorobanflow_\w+")
SELECTOR = re.compile(r"(sorobanflow_\w+)(?:\{([^}]*)\})?")
SPECS = (*COUNTED, *READ, *AUDITED)
DASHBOARD = json.loads((ROOT / "deployments/grafana/dashboard.json").read_text())
RULES = yaml.safe_load((ROOT / "deployments/prometheus/alerts.yaml").read_text())


def _series() -> dict[str, set[str]]:
    """Labels by the name of a series, as it can be queried."""
    series = {}
    for spec in SPECS:
        names = [spec.full_name]
        if spec.kind == "histogram":
            names = [f"{spec.full_name}{part}" for part in ("_bucket", "_sum", "_count")]
        for name in names:
            series[name] = set(spec.labels) | ({"le"} if name.endswith("_bucket") else set())
    return series


SERIES = _series()


def _panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def _rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in _rules()),
    *((panel["title"], target["expr"]) for panel in _panels() for target in panel["targets"]),
    *(
        (one["name"], one["definition"])
        for one in DASHBOARD["templating"]["list"]
        if one["type"] == "query"
    ),
]


def test_docs_table_is_the_catalogue() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("| `sorobanflow_")
    ]
    assert rows == [
        (
            f"`{spec.full_name}`",
            spec.kind,
            ", ".join(f"`{label}`" for label in spec.labels) or "-",
            spec.unit,
            spec.meaning,
        )
        for spec in SPECS
    ]


def test_catalogue_keeps_to_the_conventions() -> None:
    names = [spec.full_name for spec in SPECS]
    assert len(names) == len(set(names))
    for spec in SPECS:
        assert (spec.kind == "counter") == spec.name.endswith("_total"), spec.name
        assert ("seconds" in spec.name) == (spec.unit in ("seconds", "Unix time")), spec.name
        assert ("bytes" in spec.name) == (spec.unit == "bytes"), spec.name


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_expression_uses_what_exists(where: str, expression: str) -> None:
    found = SELECTOR.findall(expression)
    assert found
    for name, matchers in found:
        assert name in SERIES, f"{where}: no metric {name}"
        used = {part.split("=")[0].rstrip("!~") for part in matchers.split(",") if part}
        assert used <= SERIES[name], f"{where}: {name} has no label {used - SERIES[name]}"
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_expression_rates_counters_and_only_those(where: str, expression: str) -> None:
    for name, *_ in SELECTOR.findall(expression):
        counts = name.endswith(("_total", "_bucket", "_sum", "_count"))
        rated = re.search(rf"(?:rate|increase)\({name}\b", expression)
        assert bool(rated) == counts, f"{where}: {name}"


def test_every_metric_of_runs_and_state_is_on_the_dashboard() -> None:
    shown = {name for panel in _panels() for one in panel["targets"] for name in _names(one)}
    assert shown == {spec.full_name for spec in (*COUNTED, *READ)}


def _names(target: dict[str, Any]) -> Iterator[str]:
    for name in NAME.findall(target["expr"]):
        base = re.sub("_(bucket|sum|count)$", "", name)
        yield base if base in {spec.full_name for spec in COUNTED} else name


def test_alerts_are_those_that_were_promised() -> None:
    assert [rule["alert"].removeprefix("Sorobanflow") for rule in _rules()] == [
        "Lag",
        "Stall",
        "Holes",
        "Gaps",
        "Quarantine",
        "BreakerOpen",
        "RetentionClock",
        "PoolWaiting",
        "Away",
        "MetricsAway",
    ]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_alert_says_what_it_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    summary = rule["annotations"]["summary"]
    labels = {label for name in NAME.findall(rule["expr"]) for label in SERIES[name]}
    assert set(re.findall(r"\$labels\.(\w+)", summary)) <= labels
    assert rule["expr"].startswith("absent(") or re.search(r" (>|<|==) ", rule["expr"])


def test_worker_serves_metrics_and_both_end_together(
    prefect_api: str, database_url: str, tmp_path: Path
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        register_blocks({"SOROBANFLOW_BLOCK": "beside", "SOROBANFLOW_DATABASE_URL": database_url})
    ours = ["--port", "0", "--rpc", "beside", "--database", "beside"]
    command = [sys.executable, "-m", "sorobanflow", "worker", *ours, "--", "--pool", "beside"]
    variables = {"PREFECT_API_URL": prefect_api, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
    with subprocess.Popen(
        [*command, "--type", "process"],
        cwd=tmp_path,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            assert worker.stdout is not None
            word, address = worker.stdout.readline().split()
            assert word == "metrics:"
            with urllib.request.urlopen(address, timeout=10) as answer:
                assert b'sorobanflow_up{what="database"} 1.0' in answer.read()
            while "started!" not in (line := worker.stdout.readline()):
                assert line, "the worker ended"
        finally:
            worker.kill()
    _wait_until_away(address)


def _wait_until_away(address: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=10).close()
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail(f"{address} is still served")
