"""Options that the devnet's commands share, and the supplies and chains that they mean."""

import argparse
from pathlib import Path
from typing import NoReturn

from sorobanflow.devnet import faults
from sorobanflow.devnet.chain import DEFAULT_RETENTION, Chain
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.ledger_file import LedgerFile
from sorobanflow.devnet.recording import Recording
from sorobanflow.devnet.supply import LedgerSupply
from sorobanflow.errors import ConfigurationError

GENERATED_AT_START = 100  # ledgers


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(2, f"error: {message}; see `{self.prog} --help`\n")


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Make a parser of a command, with the options of the supply."""
    parser = Parser(
        prog=f"python -m sorobanflow.devnet{command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("ledgers (default: generate them)").add_argument
    add("--recording", type=Path, help="file of recorded transactions; it has no whole ledgers")
    add("--ledger-file", type=Path, help="file of whole ledgers; needs --passphrase")
    add("--passphrase", help="network of the --ledger-file")
    add("--seed", type=int, default=0, help="seed of the generated ledgers")
    add("--transactions-per-ledger", type=int, default=10, help="(%(default)s)")
    add(
        "--events-per-transaction",
        type=int,
        help="generate only successful contract calls with this many events, including the fee",
    )
    add("--first-ledger", type=int, default=1, help="first generated ledger")
    return parser


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Add the options of a lake's layout."""
    add = parser.add_argument_group("layout of the lake").add_argument
    add("--ledgers-per-batch", type=int, default=1, help="ledgers of an object (%(default)s)")
    add(
        "--batches-per-partition",
        type=int,
        default=64_000,
        help="objects of a folder (%(default)s); 1: no folders",
    )


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options of a chain that closes ledgers, and of a server of it."""
    parser.epilog = faults.__doc__
    add = parser.add_argument
    add(
        "--ledgers",
        type=int,
        help="ledgers closed at the start; default: all of the file, or "
        f"{GENERATED_AT_START} if they are generated",
    )
    add(
        "--close-every",
        type=float,
        metavar="SECONDS",
        help="close a ledger every SECONDS; default: none closes",
    )
    add("--latency-ms", type=float, default=0.0, help="latency of every HTTP call")
    add("--port", type=int, default=0, help="default: a free port")
    add("--faults", default="", help="schedule of faults, see below")


def make_supply(options: argparse.Namespace) -> LedgerSupply:
    """Make the supply that the options name.

    Raises:
        ConfigurationError: they contradict each other, or the file is wrong.
        OSError: the file cannot be read.
    """
    if options.recording and options.ledger_file:
        raise ConfigurationError("give --recording or --ledger-file, not both")
    if options.recording:
        return Recording(options.recording)
    if options.ledger_file:
        if not options.passphrase:
            raise ConfigurationError("--ledger-file needs --passphrase, the network's passphrase")
        return LedgerFile(options.ledger_file, options.passphrase)
    return Generator(
        options.seed,
        first=options.first_ledger,
        transactions_per_ledger=options.transactions_per_ledger,
        events_per_transaction=options.events_per_transaction,
    )


def make_chain(
    options: argparse.Namespace,
    latest: int | None = None,
    retention: int = DEFAULT_RETENTION,
    has_data_store: bool = False,
) -> Chain:
    """Make the chain that the options of `add_server` name.

    Args:
        options: As parsed.
        latest: The newest ledger at the start; None: as the options say.
        retention: Ledgers that the node keeps.
        has_data_store: Whether getLedgers answers for dropped ledgers too.
    """
    supply = make_supply(options)
    closed: int | None = options.ledgers
    if closed is None and supply.last is None:
        closed = GENERATED_AT_START
    if latest is not None:
        closed = latest - supply.first + 1
    return Chain(
        supply,
        closed=closed,
        retention=retention,
        close_every_s=options.close_every,
        has_data_store=has_data_store,
    )
