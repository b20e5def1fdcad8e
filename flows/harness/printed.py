"""What a flow that was run by hand prints at its end: at most 15 lines, unless all is asked for."""

import json

from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table

from sorobanflow.pipeline.summary import Lines, Summary

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
    console = Console(highlight=False, markup=False)
    console.print(summary.headline(), soft_wrap=True)
    if console.is_terminal:
        console.print(_wrapped(lines))
    else:
        width = max((len(label) for label, _ in lines), default=0)
        for label, value in lines:
            console.print(f"  {label:<{width}}  {value}".rstrip(), soft_wrap=True)
    if len(lines) < len(every_line):
        console.print(f"  (all figures: {rest})", style="dim")


def _wrapped(lines: Lines) -> Padding:
    """Wrap each value within its column; a word that is wider, such as an id, is cut in two."""
    grid = Table.grid(Column(overflow="fold"), Column(overflow="fold"), padding=(0, 2))
    for label, value in lines:
        grid.add_row(label, value)
    return Padding(grid, (0, 0, 0, 2))


def print_all(summary: Summary) -> None:
    """Print the headline and every figure."""
    print_summary(summary, verbose=True)


def print_json(summary: Summary) -> None:
    """Print the headline, the exit code and every figure, as text, in a JSON object."""
    figures = dict(summary.table())
    said = {"headline": summary.headline(), "exit_code": summary.exit_code, "figures": figures}
    print(json.dumps(said))
