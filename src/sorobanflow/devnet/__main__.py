"""Run a devnet from the command line: `python -m sorobanflow.devnet --help`.

It prints one line when it is ready, and runs until SIGINT or SIGTERM.
"""

import argparse
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sorobanflow.devnet import faults
from sorobanflow.devnet.chain import DEFAULT_RETENTION, Chain
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.recording import Recording
from sorobanflow.devnet.server import DevnetServer
from sorobanflow.devnet.state import TipFile
from sorobanflow.devnet.supply import LedgerSupply
from sorobanflow.errors import ConfigurationError

GENERATED_AT_START = 100  # ledgers
_TIP_CHECKED_EVERY_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal arrives; return the exit code."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        tip = TipFile(options.state) if options.state else None
        chain = _make_chain(options, tip)
        server = DevnetServer(
            chain, options.port, options.latency_ms / 1000, parse_faults(options.faults)
        )
    except (ConfigurationError, OSError) as error:
        parser.error(str(error))
    _serve(server, tip)
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sorobanflow.devnet",
        description="A local Stellar RPC node that serves recorded or generated ledgers.",
        epilog=faults.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--recording",
        type=Path,
        help="file of recorded ledgers to serve; default: generate ledgers",
    )
    add("--seed", type=int, default=0, help="seed of the generated ledgers")
    add("--transactions-per-ledger", type=int, default=10, help="(%(default)s)")
    add(
        "--events-per-transaction",
        type=int,
        help="generate only successful contract calls with this many events, including the fee",
    )
    add("--first-ledger", type=int, default=1, help="first generated ledger")
    add(
        "--ledgers",
        type=int,
        help=f"ledgers closed at the start; default: the whole recording, or {GENERATED_AT_START}",
    )
    add(
        "--close-every",
        type=float,
        metavar="SECONDS",
        help="close a ledger every SECONDS; default: none closes",
    )
    add(
        "--retention",
        type=int,
        default=DEFAULT_RETENTION,
        metavar="LEDGERS",
        help="ledgers that the node keeps (%(default)s)",
    )
    add("--latency-ms", type=float, default=0.0, help="latency of every HTTP call")
    add("--port", type=int, default=0, help="default: a free port")
    add("--faults", default="", help="schedule of faults, see below")
    add("--state", type=Path, metavar="FILE", help="file that keeps the newest ledger between runs")
    return parser


def _make_chain(options: argparse.Namespace, tip: TipFile | None) -> Chain:
    supply: LedgerSupply
    closed: int | None = options.ledgers
    if options.recording:
        supply = Recording(options.recording)
    else:
        supply = Generator(
            options.seed,
            first=options.first_ledger,
            transactions_per_ledger=options.transactions_per_ledger,
            events_per_transaction=options.events_per_transaction,
        )
        closed = GENERATED_AT_START if closed is None else closed
    latest = tip.read() if tip else None
    if latest is not None:
        closed = latest - supply.first + 1
    return Chain(
        supply, closed=closed, retention=options.retention, close_every_s=options.close_every
    )


def _serve(server: DevnetServer, tip: TipFile | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with server:
            window = server.chain.window()
            network = server.chain.network.passphrase
            print(f"devnet: {server.url} ledgers {window}, network '{network}'", flush=True)
            while True:
                _keep(server, tip)
                time.sleep(_TIP_CHECKED_EVERY_S)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    _keep(server, tip)


def _keep(server: DevnetServer, tip: TipFile | None) -> None:
    if tip:
        tip.write(server.chain.window().last)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
