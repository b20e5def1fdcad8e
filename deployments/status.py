"""Print the status of node, database and streams: `sorobanflow status`.

Imports no Prefect, which takes longer than reading all of it.
"""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
from sqlalchemy import Engine

from deployments.addresses import rpc_headers
from flows.parameters.reading import did_you_mean
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status.health import Limits
from sorobanflow.status.model import Status
from sorobanflow.status.read import read_status
from sorobanflow.status.report import to_json, to_text
from sorobanflow.status.runs import with_runs
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine, public_conninfo
from sorobanflow.store.pool import PoolSettings

#: As the flows use them where no block is saved.
DEFAULT_RPC_URL = "http://127.0.0.1:8000"
EMBEDDED_FOLDER = Path(".sorobanflow/postgres")
NO_NODE_NAMED = (
    "note: neither --rpc-url nor SOROBANFLOW_RPC_URL is given, so the local devnet was asked; "
    "the status reads no blocks"
)
#: A person waits: a node or database that does not answer within this time is a problem.
TIMEOUT_S = 5.0
RETRIES = RetrySettings(attempts=2, base_s=0.5, cap_s=0.5, max_retry_after_s=2.0)


def show(
    environment: Mapping[str, str],
    rpc_url: str | None = None,
    database_url: str | None = None,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    as_json: bool = False,
) -> int:
    """Print the status; gives the exit code: 1 if it is not healthy.

    Raises:
        ConfigurationError: a stream is not there, or an address or a variable of the environment is
            not valid.
    """
    database_url = database_url or environment.get("SOROBANFLOW_DATABASE_URL")
    if database_url:
        public_conninfo(database_url)  # raises if it is not valid
    rpc_url = rpc_url or environment.get("SOROBANFLOW_RPC_URL")
    client = RpcClient(
        rpc_url or DEFAULT_RPC_URL,
        headers=rpc_headers(environment),
        http=HttpSettings(timeout_s=TIMEOUT_S, connect_timeout_s=TIMEOUT_S),
        retry=RETRIES,
    )
    with client, ExitStack() as stack:
        status = read_status(_open(stack, database_url), client, limits=limits)
    _refuse_unknown_streams(status, limits)
    if status.node is None and not rpc_url:
        print(NO_NODE_NAMED, file=sys.stderr)
    if api_url := environment.get("PREFECT_API_URL"):
        key, auth = (environment.get(f"PREFECT_API_{name}") for name in ("KEY", "AUTH_STRING"))
        status = with_runs(status, api_url, key, auth)
    print(to_json(status).decode() if as_json else to_text(status))
    return 0 if status.healthy else 1


def _refuse_unknown_streams(status: Status, limits: Limits) -> None:
    known = [stream.name for stream in status.database.streams] if status.database else []
    for name in limits.streams:
        if known and name not in known:
            names = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise ConfigurationError(f"there is no stream {name!r}; {names}")


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
