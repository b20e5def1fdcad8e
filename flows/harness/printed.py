"""What a flow that was run by hand prints at its end: at most 15 lines, unless all is asked for."""

import json

from rich.console import Console
from rich.table import Table

from sorobanflow.pipeline.summary import Summary

#: Of a summary's table; with the headline and the line that says where the rest is, 15.
MAX_LINES = 13


def print_summary(
    summary: Summary, verbose: bool = False, rest: str = "--verbose, or the run's page"
) -> None:
    """Print the headline and the figures that a person looks at first, or all.

    `rest` says where all of them are.
    """
    every_line = summary.table()
    lines = every_line if verbose else summary.brief()[:MAX_LINES]
    grid = Table.grid(padding=(0, 2))
    for label, value in lines:
        grid.add_row(f"  {label}", value)
    console = Console(highlight=False)
    console.print(summary.headline(), soft_wrap=True)
    console.print(grid)
    if len(lines) < len(every_line):
        console.print(f"  (all figures: {rest})", style="dim")


def print_all(summary: Summary) -> None:
    """Print the headline and every figure."""
    print_summary(summary, verbose=True)


def print_json(summary: Summary) -> None:
    """Print the headline, the exit code and every figure, as text, in a JSON object."""
    figures = dict(summary.table())
    said = {"headline": summary.headline(), "exit_code": summary.exit_code, "figures": figures}
    print(json.dumps(said))
