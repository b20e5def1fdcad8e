"""Where commands by hand work: the folder with `.sorobanflow`, else the clone.

`.sorobanflow` keeps the embedded database, the run history and the counters of metrics.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: The clone, or the folder of an image, that this program is of.
ROOT = Path(__file__).resolve().parents[2]
DATA = ".sorobanflow"


def enter_home() -> None:
    """Work in this folder if it has data, else in the clone, and say so.

    Paths that were given relative to this folder have to be made absolute before.
    """
    if not _is_home(Path.cwd()):
        print(f"using the data in {ROOT / DATA}", file=sys.stderr)
        os.chdir(ROOT)


def with_paths_of_here(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Give parameters whose paths mean the same after `enter_home`."""
    if _is_home(Path.cwd()):
        return dict(parameters)
    return {
        name: value.absolute() if isinstance(value, Path) else value
        for name, value in parameters.items()
    }


def _is_home(folder: Path) -> bool:
    """Whether commands that are typed in this folder keep their data there."""
    return (folder / DATA).is_dir() or folder.samefile(ROOT)
