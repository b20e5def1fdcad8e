"""The commands that write and serve data lakes: `lake` and `lake-server`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.lake import ChainLake
from sorobanflow.devnet.lake_server import LakeServer
from sorobanflow.devnet.lake_writer import write_lake
from sorobanflow.devnet.options import (
    GENERATED_AT_START,
    add_layout,
    add_server,
    make_chain,
    make_parser,
    make_supply,
)
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange

_PROGRESS_EVERY_S = 5.0


def lake(arguments: Sequence[str]) -> int:
    """Write a lake into a folder, print what it holds, and return the exit code."""
    parser = make_parser(" lake", "Write whole ledgers into a folder as a data lake.")
    parser.add_argument("folder", type=Path, help="made if it is missing")
    parser.add_argument("--first", type=int, help="first ledger; default: the first there is")
    parser.add_argument(
        "--last",
        type=int,
        help=f"last ledger; default: the last there is, or {GENERATED_AT_START} generated ones",
    )
    add_layout(parser)
    options = parser.parse_args(arguments)
    progress = _Progress()
    try:
        supply = make_supply(options)
        first = supply.first if options.first is None else options.first
        last = options.last or supply.last or first + GENERATED_AT_START - 1
        layout = options.ledgers_per_batch, options.batches_per_partition
        held = write_lake(supply, options.folder, LedgerRange(first, last), *layout, progress.show)
    except (ConfigurationError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    network = supply.network.passphrase
    print(
        f"lake: {options.folder} ledgers {held}, {progress.objects} object(s), network '{network}'"
    )
    return 0


def make_lake_server(arguments: Sequence[str]) -> LakeServer:
    """Make the server of the command `lake-server`; exits if the arguments are wrong."""
    description = "Serve a data lake over HTTP: of a folder, or made of a chain on request."
    parser = make_parser(" lake-server", description)
    parser.add_argument("folder", type=Path, nargs="?", help="default: serve a chain's ledgers")
    add_layout(parser)
    add_server(parser)
    options = parser.parse_args(arguments)
    layout = options.ledgers_per_batch, options.batches_per_partition
    try:
        lake = options.folder or ChainLake(make_chain(options), *layout)
        faults = parse_faults(options.faults)
        return LakeServer(lake, options.port, options.latency_ms / 1000, faults)
    except (ConfigurationError, OSError) as error:
        parser.exit(2, f"error: {error}\n")


class _Progress:
    """Counts objects, and prints a line now and then."""

    def __init__(self) -> None:
        self.objects = 0
        self._shown_at = time.monotonic()

    def show(self, ledgers: LedgerRange) -> None:
        self.objects += 1
        if time.monotonic() - self._shown_at >= _PROGRESS_EVERY_S:
            self._shown_at = time.monotonic()
            print(f"lake: written up to ledger {ledgers.last}", file=sys.stderr, flush=True)
