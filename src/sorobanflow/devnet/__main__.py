"""Run a devnet from the command line: `python -m sorobanflow.devnet --help`.

The node and the lake server print one line when they are ready, and run until SIGINT or
SIGTERM. `lake` writes a lake and ends.
"""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sorobanflow.devnet.chain import DEFAULT_RETENTION
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.http_server import HttpServer
from sorobanflow.devnet.lake_commands import lake, make_lake_server
from sorobanflow.devnet.options import add_server, make_chain, make_parser
from sorobanflow.devnet.server import DevnetServer
from sorobanflow.devnet.state import TipFile
from sorobanflow.errors import ConfigurationError

_TIP_CHECKED_EVERY_S = 0.2


def main(arguments: Sequence[str]) -> int:
    """Run a command until it ends or a signal arrives; return the exit code."""
    command = arguments[0] if arguments else ""
    if command == "lake":
        return lake(arguments[1:])
    if command == "lake-server":
        lakes = make_lake_server(arguments[1:])
        return _serve(lakes, lambda: f"lake: {lakes.url}", lambda: None)
    return _serve_node(arguments)


def _serve_node(arguments: Sequence[str]) -> int:
    description = (
        "A local Stellar RPC node that serves recorded or generated ledgers. "
        "`lake --help` and `lake-server --help` describe the commands for data lakes."
    )
    parser = make_parser("", description)
    add_server(parser)
    add = parser.add_argument
    add(
        "--retention",
        type=int,
        default=DEFAULT_RETENTION,
        metavar="LEDGERS",
        help="ledgers that the node keeps (%(default)s)",
    )
    add("--data-store", action="store_true", help="answer getLedgers also for dropped ledgers")
    add("--state", type=Path, metavar="FILE", help="file that keeps the newest ledger between runs")
    options = parser.parse_args(arguments)
    try:
        tip = TipFile(options.state) if options.state else None
        latest = tip.read() if tip else None
        chain = make_chain(options, latest, options.retention, options.data_store)
        faults = parse_faults(options.faults)
        server = DevnetServer(chain, options.port, options.latency_ms / 1000, faults)
    except (ConfigurationError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    return _serve(server, lambda: _ready(server), lambda: _keep(server, tip))


def _serve(server: HttpServer, ready: Callable[[], str], keep: Callable[[], None]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with server:
            print(ready(), flush=True)
            while True:
                keep()
                time.sleep(_TIP_CHECKED_EVERY_S)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    keep()
    return 0


def _ready(server: DevnetServer) -> str:
    network = server.chain.network.passphrase
    return f"devnet: {server.url} ledgers {server.chain.window()}, network '{network}'"


def _keep(server: DevnetServer, tip: TipFile | None) -> None:
    if tip:
        tip.write(server.chain.window().last)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
