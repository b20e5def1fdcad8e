"""The command `sorobanflow contract`: give a contract a schema with typed views, and show it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import App, Group, Parameter

from deployments.home import connecting, use_running_api
from flows.parameters.shared import DEFAULT_BLOCK
from sorobanflow.contracts.names import check_schema_name
from sorobanflow.sources.filters import EventFilter

contract = App(
    name="contract",
    help="Show what a contract declares, and make typed views of its events, calls and storage.",
    default_parameter=Parameter(negative=(), show_default=False),
    group_commands=Group("Commands"),
)

Block = Annotated[
    str,
    Parameter(
        help="The sorobanflow-database block; SOROBANFLOW_OWNER_URL counts more, as for "
        "`migrate`. To make or drop a schema, the user has to be allowed to."
    ),
]
Embedded = Annotated[
    str | None,
    Parameter(help="Instead of the block, a database of the embedded server, such as `devnet`."),
]


@contract.command
def add(
    contract_id: str,
    /,
    *,
    name: str,
    renew: bool = False,
    database: Block = DEFAULT_BLOCK,
    db: Embedded = None,
) -> int:
    """Make a schema with a view per event, function and stored struct of a contract.

    What its Wasms declare is shown as declared; shapes of other events are learnt from what is
    stored, and marked as inferred. Run again, it says what would change, with exit code 1 if
    anything would, and changes it only with --renew.

    Args:
        contract_id: The contract, C….
        name: The schema: a-z, 0-9 and _.
        renew: Change the views to what is known now.
    """
    check_schema_name(name)
    EventFilter((contract_id,))  # raises if it is no contract id
    with _prepared(db):
        from deployments import contracts  # noqa: PLC0415 - it imports Prefect

        return contracts.add(contract_id, name, database, db, renew=renew)


@contract.command
def show(contract: str, /, *, database: Block = DEFAULT_BLOCK, db: Embedded = None) -> None:
    """Print what a contract declares, as Rust, and in which ledgers it ran which Wasm.

    Args:
        contract: The contract, C…, or the name of its schema.
    """
    with _prepared(db):
        from deployments import contracts  # noqa: PLC0415 - it imports Prefect

        contracts.show(contract, database, db)


@contract.command(name="list")
def list_(*, database: Block = DEFAULT_BLOCK, db: Embedded = None) -> None:
    """Print the schemas that `contract add` made."""
    with _prepared(db):
        from deployments import contracts  # noqa: PLC0415 - it imports Prefect

        contracts.list_all(database, db)


@contract.command
def remove(name: str, /, *, database: Block = DEFAULT_BLOCK, db: Embedded = None) -> None:
    """Drop a schema that `contract add` made, with its views. All rows stay.

    Args:
        name: The schema.
    """
    with _prepared(db):
        from deployments import contracts  # noqa: PLC0415 - it imports Prefect

        contracts.remove(name, database, db)


@contextmanager
def _prepared(db: str | None) -> Iterator[None]:
    """Enter home, with a Prefect API if a block is to be read."""
    if db is not None or os.environ.get("SOROBANFLOW_OWNER_URL"):
        use_running_api(required=False)  # nothing asks it, but Prefect starts none of its own
        yield
        return
    with connecting() as wait:
        wait()
        yield
