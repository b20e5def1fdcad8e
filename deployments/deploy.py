"""Deploy: the work pool, the blocks, and the deployments of `prefect.yaml` with their schedules.

Run as `sorobanflow deploy`. A second run changes what has changed. Each starts a run of `index`,
which takes over from the one before, so that nothing waits for the schedule.
"""

import os
import subprocess
import sys

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from blocks.prefect_api import named_api_failures, require_api
from deployments import register_blocks
from deployments.addresses import DATABASE_URL, LAKE_URL, RPC_URL
from flows.harness.home import ROOT
from flows.harness.turn import SCHEDULED

POOL = "local"
ADDRESSES = (RPC_URL, DATABASE_URL, LAKE_URL)


def main() -> int:
    """Create or update everything; gives the exit code."""
    require_api()
    with named_api_failures(), get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            print(f"created the work pool {POOL!r}")
        except ObjectAlreadyExists:
            pass  # with what was changed of it in the UI
    if any(os.environ.get(name) for name in ADDRESSES):
        register_blocks.main()
    # The runs start in the folder of prefect.yaml, which it takes from PWD.
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    environment = os.environ | {"PWD": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        return 1
    with named_api_failures(), get_client(sync_client=True) as client:
        index = client.read_deployment_by_name("index/index")
        client.create_flow_run_from_deployment(index.id, tags=[SCHEDULED])
    print(
        "created or updated the deployments of prefect.yaml, and started a run of index; "
        "`sorobanflow worker` runs them"
    )
    return 0
