"""Print the status: `python -m sorobanflow.status --help`.

The core's one program that reads the environment, as `deployments.register_blocks` does.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import psycopg
from sqlalchemy import Engine

from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status import health
from sorobanflow.status.health import Limits
from sorobanflow.status.read import read_status
from sorobanflow.status.report import to_json, to_text
from sorobanflow.status.runs import read_runs
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine, public_conninfo
from sorobanflow.store.pool import PoolSettings

#: As the flows use them where no block is saved.
DEFAULT_RPC_URL = "http://127.0.0.1:8000"
EMBEDDED_FOLDER = Path(".sorobanflow/postgres")
#: A person waits: a node or database that does not answer within this time is a problem.
TIMEOUT_S = 5.0
RETRIES = RetrySettings(attempts=2, base_s=0.5, cap_s=0.5, max_retry_after_s=2.0)

_EPILOG = f"""
Environment: SOROBANFLOW_RPC_URL, SOROBANFLOW_RPC_HEADERS (a JSON object) and
SOROBANFLOW_DATABASE_URL; for the last runs PREFECT_API_URL, and PREFECT_API_AUTH_STRING
or PREFECT_API_KEY if the server needs one.

Exit code: 0 healthy, 1 unhealthy, 2 bad arguments.

{health.__doc__}"""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Print the status; give the exit code."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    limits = Limits(options.max_lag_ledgers, options.stall_s, tuple(options.stream))
    database_url = options.database_url or environment.get("SOROBANFLOW_DATABASE_URL")
    try:
        if database_url:
            public_conninfo(database_url)  # raises if it is not valid
        client = RpcClient(
            options.rpc_url or environment.get("SOROBANFLOW_RPC_URL") or DEFAULT_RPC_URL,
            headers=_headers(environment.get("SOROBANFLOW_RPC_HEADERS")),
            http=HttpSettings(timeout_s=TIMEOUT_S, connect_timeout_s=TIMEOUT_S),
            retry=RETRIES,
        )
    except ConfigurationError as error:
        parser.error(str(error))
    with client, ExitStack() as stack:
        status = read_status(_open(stack, database_url), client, limits=limits)
    if api_url := environment.get("PREFECT_API_URL"):
        key, auth = (environment.get(f"PREFECT_API_{name}") for name in ("KEY", "AUTH_STRING"))
        runs, problems = read_runs(api_url, key, auth)
        status = replace(status, runs=runs, problems=(*status.problems, *problems))
    print(to_json(status).decode() if options.json else to_text(status))
    return 0 if status.healthy else 1


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sorobanflow.status",
        description="Show the state of the node, the database and coverage, and what is wrong.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rpc-url", help=f"the node's URL; default: the environment's, else {DEFAULT_RPC_URL}")
    embedded = f"the embedded database in {EMBEDDED_FOLDER}"
    add("--database-url", help=f"a libpq URL; default: the environment's, else {embedded}")
    stream_help = "judge only this stream, to leave out those no longer indexed; repeatable"
    add("--stream", action="append", default=[], metavar="NAME", help=stream_help)
    lag_help = "ledgers that a stream may be behind (%(default)s)"
    add("--max-lag-ledgers", type=int, default=Limits.max_lag_ledgers, help=lag_help)
    stall_help = "seconds without a newer ledger while the node has more (%(default)g)"
    add("--stall-s", type=float, default=Limits.stall_s, help=stall_help)
    add("--json", action="store_true", help="print a JSON object")
    return parser


def _headers(text: str | None) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str]) if text else {}
    except msgspec.MsgspecError:
        # The text is a secret: the message does not repeat it.
        raise ConfigurationError(
            "SOROBANFLOW_RPC_HEADERS is not a JSON object of header names and values"
        ) from None


def _open(stack: ExitStack, url: str | None) -> Engine | SorobanflowError:
    """Open the database, or give the reason why not; never creates the embedded one."""
    try:
        if not url:
            if not EMBEDDED_FOLDER.exists():
                return ConfigurationError(
                    f"there is no database yet: no embedded one in {EMBEDDED_FOLDER}, and no URL "
                    "given; run the flow index here, or pass --database-url"
                )
            url = stack.enter_context(EmbeddedPostgres(EMBEDDED_FOLDER)).url
        # The pool would keep trying and hide the reason.
        psycopg.connect(url, connect_timeout=round(TIMEOUT_S)).close()
        pool = PoolSettings(max_idle=1, max_open=2, connect_timeout_s=TIMEOUT_S)
        return stack.enter_context(open_engine(url, pool))
    except psycopg.OperationalError as error:
        reason = str(error).partition("\n")[0]
        return ConfigurationError(f"no connection ({public_conninfo(url or '')}): {reason}")
    except SorobanflowError as error:
        return error


if __name__ == "__main__":
    logging.disable()  # what libraries log about an unreachable node or database is in the status
    sys.exit(main(sys.argv[1:], os.environ))
