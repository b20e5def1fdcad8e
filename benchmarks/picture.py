"""Draw the picture of the README from the results of `headline` and `backfill`.

    python -m benchmarks.picture

Reads what they kept and writes `benchmarks/headline.svg`, the same bytes for the
same results.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.backfill import FLOW, STEPS
from benchmarks.common import RESULTS
from benchmarks.headline import BEFORE, DEFAULT, FLOOR

TARGET = Path(__file__).with_name("headline.svg")
RECORDING = "applyload-10048"
OURS, OTHERS, BOUND = "#0b6e6e", "#b8b8b8", "#d9c7a0"
SETTINGS: Any = {
    "svg.hashsalt": "sorobanflow",  # else the ids in the file are random
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def main() -> None:
    """Draw the results that were kept last."""
    draw(results("headline"), results("backfill"), TARGET)
    print(f"wrote {TARGET}")


def results(name: str) -> dict[str, Any]:
    """Read what a benchmark kept last."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"{path} is missing; run `python -m benchmarks.{name}` first")
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def draw(headline: Mapping[str, Any], backfill: Mapping[str, Any], target: Path) -> None:
    """Draw both panels into an SVG file.

    Args:
        headline: What `headline` keeps.
        backfill: What `backfill` keeps.
        target: The file.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(10, 6.4), layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=(3, 2))
        _draw_headline(above, headline["seconds"])
        _draw_backfill(below, backfill["recordings"][RECORDING])
        figure.savefig(target, metadata={"Date": None})


def _draw_headline(axes: Axes, seconds: Mapping[str, float]) -> None:
    names = [*seconds]
    colours = [OURS if name == DEFAULT else BOUND if name == FLOOR else OTHERS for name in names]
    bars = axes.barh(names, [*seconds.values()], color=colours)
    labels = [f"{s:.2f} s  ({seconds[BEFORE] / s:.0f} times faster)" for s in seconds.values()]
    labels[names.index(BEFORE)] = f"{seconds[BEFORE]:.1f} s"
    axes.bar_label(bars, labels, padding=4)
    axes.set_xscale("log")
    axes.set_xlim(right=max(seconds.values()) * 2.5)
    axes.invert_yaxis()
    axes.set_title(
        "1000 events, 200 transactions, 100 ms a call: seconds (logarithmic)", loc="left"
    )


def _draw_backfill(axes: Axes, row: Mapping[str, float]) -> None:
    parts = {FLOW: row[FLOW]} | {f"{step} alone": row[step] for step in STEPS}
    bars = axes.barh([*parts], [*parts.values()], color=[OURS, *[OTHERS] * len(STEPS)])
    axes.bar_label(bars, [f"{seconds:.1f} s" for seconds in parts.values()], padding=4)
    axes.set_xlim(right=max(parts.values()) * 1.15)
    axes.invert_yaxis()
    rate = row["transactions"] / row[FLOW]
    axes.set_title(
        f"backfill of {row['transactions']:,.0f} transactions ({rate:,.0f} a second): seconds",
        loc="left",
    )


if __name__ == "__main__":
    main()
