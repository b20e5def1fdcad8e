"""The command `sorobanflow`: one command for each thing that a person does by hand.

    sorobanflow index --follow-s 30
    sorobanflow --help

The commands of flows are made from the classes in `flows.parameters`; a further one is a
line of `FLOWS`. Invariant: help and wrong arguments import neither Prefect nor SQLAlchemy,
so a command imports what it needs when it runs. A wrong argument is one line and exit code 2;
nothing was started then.
"""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter

from deployments.addresses import check_addresses, notify_url
from deployments.contract_commands import contract
from deployments.flow_command import flow_command
from deployments.home import connecting, use_running_api
from deployments.serving_commands import metrics, worker
from deployments.stream_commands import streams
from deployments.wrong_arguments import message
from flows.harness.encoding import print_any_text
from flows.harness.home import enter_home
from flows.parameters.archive import Archive
from flows.parameters.audit import Audit
from flows.parameters.backfill import Backfill
from flows.parameters.export import Export
from flows.parameters.index import Index
from flows.parameters.shared import STALL_S
from sorobanflow.errors import ConfigurationError, SorobanflowError
from sorobanflow.ledgers import LEDGERS_BEHIND_TIP

#: The flows that are commands, each in the module of its name.
FLOWS: dict[str, type] = {
    "index": Index,
    "backfill": Backfill,
    "audit": Audit,
    "export": Export,
    "archive": Archive,
}

app = App(
    name="sorobanflow",
    help="Index the smart-contract activity of the Stellar network into PostgreSQL.\n\n"
    "`sorobanflow COMMAND --help` describes a command.",
    help_format="markdown",
    version=lambda: version("sorobanflow"),
    default_parameter=Parameter(negative=(), show_default=False, consume_multiple=True),
    group_commands=Group("Other", sort_key=3),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
INDEX, LOOK, SET_UP = (
    Group(name, sort_key=place) for place, name in enumerate(("Flows", "Look", "Set up"))
)
#: Handed on as they are, to a program that has its own --help.
Arguments = Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]


def _is_port(_type: object, value: int | None) -> None:
    if value is not None and not 1 <= value <= 65_535:
        raise ValueError("expected a port, 1 to 65535")


for _place, (_name, _kind) in enumerate(FLOWS.items()):
    app.command(flow_command(_name, _kind), name=_name, group=INDEX, sort_key=_place)
app.register_install_completion_command(help="Complete commands and options in this shell.")


@app.command(group=LOOK)
def status(
    *,
    rpc_url: str | None = None,
    database_url: str | None = None,
    stream: list[str] | None = None,
    max_lag_ledgers: Annotated[int, Parameter(show_default=True)] = LEDGERS_BEHIND_TIP,
    stall_s: Annotated[float, Parameter(show_default=True)] = STALL_S,
    json: bool = False,
) -> int:
    """Show what is stored, how far it is behind the node, and what is wrong.

    Reads SOROBANFLOW_RPC_URL, SOROBANFLOW_RPC_HEADERS and SOROBANFLOW_DATABASE_URL, as
    `sorobanflow blocks` does; for the last runs PREFECT_API_URL and PREFECT_API_AUTH_STRING or
    PREFECT_API_KEY. The exit code is 1 if anything is wrong.

    Args:
        rpc_url: The node's URL. Empty: the environment's, or the local devnet.
        database_url: A libpq URL. Empty: the environment's, or the embedded database.
        stream: Judge only these streams, to leave out those that are no longer indexed.
        max_lag_ledgers: Ledgers that a stream may be behind.
        stall_s: Seconds without a newer ledger while the node has more.
        json: Print a JSON object.
    """
    use_running_api(required=False)
    from deployments.status import show
    from sorobanflow.status.health import Limits

    logging.disable()  # what libraries log about an unreachable node or database is in the status
    limits = Limits(max_lag_ledgers, stall_s, tuple(stream or ()))
    return show(os.environ, rpc_url, database_url, limits, json)


@app.command(group=LOOK)
def psql(sql: str | None = None, /, *, db: str | None = None) -> int:
    """Query the embedded database: run one statement, or open a prompt.

    Args:
        sql: Statement to run. Empty: a prompt.
        db: Database of the embedded server, such as `devnet`, where `make run` stores. Empty:
            `postgres`, where flows store whose block has no address.
    """
    enter_home()
    from deployments import local_database

    return local_database.psql(db, sql)


@app.command(group=LOOK)
def ui(*, port: Annotated[int | None, Parameter(validator=_is_port)] = None) -> int:
    """Run the Prefect server with its UI until interrupted.

    Args:
        port: Port on 127.0.0.1. Empty: UI_PORT, or 4200.
    """
    enter_home()
    from deployments import local, services

    services.interrupt_on_signals()
    return local.ui(port)


@app.command(group=SET_UP)
def blocks() -> None:
    """Save the blocks with the addresses and secrets of the environment.

    Reads SOROBANFLOW_RPC_URL, SOROBANFLOW_RPC_HEADERS, SOROBANFLOW_DATABASE_URL,
    SOROBANFLOW_LAKE_URL, SOROBANFLOW_PROFILE and SOROBANFLOW_BLOCK. Run again, it changes
    only what they name.
    """
    check_addresses(os.environ)
    with connecting() as wait:
        from deployments import register_blocks

        wait()
        register_blocks.main()


@app.command(group=SET_UP)
def deploy() -> int:
    """Create or update the deployments and their schedules, and the work pool `local`.

    Saves the blocks too, if variables of the environment name addresses.
    """
    check_addresses(os.environ)
    with connecting() as wait:
        from deployments import deploy

        wait()
        return deploy.main()


streams.group = contract.group = LOOK
app.command(streams)
app.command(contract)
app.command(worker, group=SET_UP)
app.command(metrics, group=SET_UP)


@app.command(group=SET_UP)
def alerts() -> None:
    """Send a message to a webhook, named in SOROBANFLOW_NOTIFY_URL, when runs go wrong.

    Sends a test message now. Needs a running Prefect server, which sends all of them.
    """
    url = notify_url(os.environ)
    use_running_api()
    from deployments import automations

    automations.main(url)


@app.command(group=SET_UP)
def migrate(
    direction: Literal["upgrade", "downgrade"] = "upgrade", /, *, database: str = "default"
) -> None:
    """Upgrade the database's schema to this program's, or remove it.

    The address is the block's, or SOROBANFLOW_OWNER_URL: the owner's password need not be in a
    block, whose user may only index.

    Args:
        direction: `upgrade`, the default, or `downgrade`: it drops the tables with all rows.
        database: The sorobanflow-database block.
    """
    with nullcontext() if os.environ.get("SOROBANFLOW_OWNER_URL") else connecting() as wait:
        from deployments import migrate

        if wait:
            wait()
        migrate.main(direction, database)


@app.command(group=SET_UP, help_flags=())
def devnet(*arguments: Arguments) -> int:
    """Serve a local test node, or write and serve data lakes."""
    from sorobanflow.devnet.__main__ import main

    return main(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    print_any_text()
    try:
        return app(arguments, exit_on_error=False, print_error=False) or 0
    except CycloptsError as error:
        return _fail(message(error, app), 2)
    except ConfigurationError as error:
        return _fail(str(error), 2)
    except SorobanflowError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        print("interrupted; what was committed stays, and the next run continues from there")
        return 130


def _fail(said: str, code: int) -> int:
    print(f"error: {said}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
