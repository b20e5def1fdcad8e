"""The command `sorobanflow streams`, with its own commands `end` and `forget`."""

from cyclopts import App, Group, Parameter

from deployments.home import connecting
from flows.parameters.shared import DEFAULT_BLOCK

streams = App(
    name="streams",
    help="Show the streams of a database, end one, or forget one.",
    default_parameter=Parameter(negative=(), show_default=False),
    group_commands=Group("Commands"),
)


@streams.default
def show(*, database: str = DEFAULT_BLOCK, json: bool = False) -> None:
    """Show the streams of a database: filter, ledgers, gaps, the last run, and their health.

    Args:
        database: The sorobanflow-database block.
        json: Print a JSON list.
    """
    with connecting() as wait:
        from deployments import streams  # noqa: PLC0415 - it imports Prefect

        wait()
        streams.show(database, as_json=json)


@streams.command
def end(name: str, /, *, database: str = DEFAULT_BLOCK) -> None:
    """End the live indexing of a filter, so that its lag is no problem any more.

    Its rows stay. Running `index` with the filter begins it again.

    Args:
        name: The stream, as `sorobanflow streams` names it.
        database: The sorobanflow-database block.
    """
    with connecting() as wait:
        from deployments import streams  # noqa: PLC0415 - it imports Prefect

        wait()
        streams.end(name, database)


@streams.command
def forget(
    name: str, /, *, database: str = DEFAULT_BLOCK, dry_run: bool = False, yes: bool = False
) -> int:
    """Remove a stream: its coverage and gaps, and the rows that no other stream needs.

    It asks before. Interrupted, it goes on where it was when it is run again. The stream of
    everything can be removed when it is the only one, and everything goes with it.

    Args:
        name: The stream, as `sorobanflow streams` names it.
        database: The sorobanflow-database block; SOROBANFLOW_OWNER_URL counts more, as for
            `migrate`.
        dry_run: Count the rows that would go, and change nothing.
        yes: Do not ask.
    """
    with connecting() as wait:
        from deployments import streams  # noqa: PLC0415 - it imports Prefect

        wait()
        return streams.forget(name, database, dry_run=dry_run, yes=yes)
