"""The commands `sorobanflow worker` and `sorobanflow metrics`, which run until interrupted."""

from typing import Annotated

from cyclopts import Parameter

from deployments.home import use_running_api
from flows.parameters.shared import DEFAULT_BLOCK


def _is_port_or_0(_type: object, value: int) -> None:
    if not 0 <= value <= 65_535:
        raise ValueError("expected a port, 1 to 65535, or 0 for a free one")


METRICS_PORT, LOCALHOST = 9464, "127.0.0.1"
MetricsPort = Annotated[int, Parameter(validator=_is_port_or_0, show_default=True)]
Shown = Annotated[str, Parameter(show_default=True)]


def worker(
    *options: str,
    port: MetricsPort = METRICS_PORT,
    host: Shown = LOCALHOST,
    rpc: Shown = DEFAULT_BLOCK,
    database: Shown = DEFAULT_BLOCK,
) -> int:
    """Run a worker, which runs what is scheduled, and serve the metrics.

    Args:
        options: After `--`, for `prefect worker start`. Empty: `--pool local --type process`.
        port: Port of the metrics; 0: a free one.
        host: Address of this machine that serves the metrics.
        rpc: The stellar-rpc block whose node the metrics judge.
        database: The sorobanflow-database block whose streams the metrics judge.
    """
    use_running_api()
    from deployments import worker  # noqa: PLC0415 - it imports Prefect

    of_metrics = {"--port": str(port), "--host": host, "--rpc": rpc, "--database": database}
    return worker.main([word for pair in of_metrics.items() for word in pair], options)


def metrics(
    *,
    port: MetricsPort = METRICS_PORT,
    host: Shown = LOCALHOST,
    rpc: Shown = DEFAULT_BLOCK,
    database: Shown = DEFAULT_BLOCK,
    end_with_stdin: Annotated[bool, Parameter(show=False)] = False,
) -> int:
    """Serve the metrics without a worker.

    Args:
        port: Port; 0: a free one.
        host: Address of this machine to listen on.
        rpc: The stellar-rpc block whose node is judged.
        database: The sorobanflow-database block whose streams are judged.
        end_with_stdin: Stop when the standard input closes: for `sorobanflow worker`.
    """
    use_running_api()
    from deployments import metrics  # noqa: PLC0415 - it imports Prefect

    return metrics.main(rpc, database, host, port, end_with_stdin)
