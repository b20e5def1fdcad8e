"""What prefect.yaml deploys: entrypoints that load, settings that others rely on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

ROOT = Path(__file__).parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())[
    "deployments"
]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_entrypoint_loads(deployment: dict[str, Any]) -> None:
    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    assert flow.name == deployment["name"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_parameters_are_described(deployment: dict[str, Any]) -> None:
    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    undescribed = [
        name for name, schema in flow.parameters.properties.items() if not schema.get("description")
    ]
    assert undescribed == []


def test_index_follows_until_the_next_run_takes_over() -> None:
    (index,) = [one for one in DEPLOYMENTS if one["name"] == "index"]
    assert [schedule["interval"] for schedule in index["schedules"]] == [300]
    # Longer than the interval: a start that comes late, or fails, leaves no pause.
    assert index["parameters"] == {"follow_s": 900}
    assert index["concurrency_limit"] == {"limit": 2, "collision_strategy": "CANCEL_NEW"}


@pytest.mark.parametrize("package", ["flows", "deployments"])
def test_prefect_reports_no_usage_of_a_program_started_by_hand(package: str) -> None:
    code = f"import os, sys, {package}; print(os.environ['DO_NOT_TRACK'], 'prefect' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "DO_NOT_TRACK"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"  # set before Prefect is imported, which reads it then
    (variables,) = {str(one["work_pool"]["job_variables"]["env"]) for one in DEPLOYMENTS}
    assert "'DO_NOT_TRACK': '1'" in variables


def test_constraints_pin_versions_and_hold_no_addresses() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert [line for line in lines if "==" not in line or "/" in line or "@" in line] == []
