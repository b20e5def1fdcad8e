"""The run within a local run: save the blocks, serve metrics, run the flow, print what it did.

Importing this takes seconds: it imports Prefect, whose settings are in the environment by then,
and all that a flow needs. So the processes that a run needs are started before.
"""

import os
from functools import partial
from typing import Any

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from blocks import Database, DataLake, StellarRpc
from blocks.documents import load_block
from blocks.prefect_api import named_api_failures
from deployments.local_job import Job
from deployments.metrics import metrics_folder, serve_metrics
from deployments.register_blocks import register_blocks
from flows.backfill import backfill
from flows.harness.calm_log import DATABASE_AWAY
from flows.harness.described_flow import PARAMETERS
from flows.harness.metrics import VARIABLE
from flows.harness.printed import print_summary
from flows.harness.refusals import refuse_what_cannot_work
from flows.harness.terminal import run_and_print
from flows.index import index
from flows.parameters.reading import checked
from sorobanflow.errors import ConfigurationError, SchemaError

BLOCK = "local"
SHOW = partial(print_summary, rest="on the run's page")


def index_job(job: Job, rpc_url: str | None, database_url: str, metrics_port: int) -> int:
    """Index what the job names; gives the exit code: 1 if the run left something out."""
    urls = {"RPC_URL": rpc_url, "LAKE_URL": job.lake, "DATABASE_URL": database_url}
    values = {f"SOROBANFLOW_{name}": url for name, url in urls.items() if url}
    with named_api_failures():
        register_blocks(values | {"SOROBANFLOW_BLOCK": BLOCK})
    folder = metrics_folder()
    os.environ[VARIABLE] = str(folder)
    node = None if job.lake else load_block(StellarRpc, BLOCK)
    database = load_block(Database, BLOCK)
    try:
        with serve_metrics(folder, node, database, "127.0.0.1", metrics_port) as address:
            print(f"metrics: {address}", flush=True)
            return _run(job)
    except SchemaError as error:
        command = "sorobanflow migrate"
        raise SchemaError(str(error).replace(command, f"{command} --database {BLOCK}")) from error
    except DATABASE_AWAY as error:
        raise ConfigurationError(str(error)) from error


def _run(job: Job) -> int:
    parameters = {"rpc": BLOCK, "database": BLOCK, **job.parameters}
    if job.lake:
        parameters |= {"source": BLOCK}
        if not job.has_both_ends:
            parameters = _ends(load_block(DataLake, BLOCK)) | parameters
    flow = backfill if job.lake else index
    kind = PARAMETERS[flow.name]
    refuse_what_cannot_work(kind, vars(checked(kind, parameters)))
    # Nobody watches for a heartbeat here, and a run would wait a second for its end.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return run_and_print(flow, parameters, SHOW)


def _ends(lake: DataLake) -> dict[str, Any]:
    """Ask a lake for its oldest and its newest ledger."""
    with lake.client() as client:
        available = lake.source(client).available()
    return {"start_ledger": available.oldest, "end_ledger": available.newest}
