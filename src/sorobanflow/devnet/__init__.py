"""A local Stellar RPC node over HTTP that serves recorded or generated ledgers.

For tests, measurements and first steps without a network. It shares no code
with the indexer's client and decoders, so an error there cannot hide in it.

From the inside out: `supply` (`generator`, `listed`, `ledger_file`, `recording`) makes
ledgers, `chain` closes and trims them, `node` answers methods, `jsonrpc` speaks the
protocol, `faults` defines faults (`call_faults`, `reply_faults` and `lake_faults` apply
them), `server` is the node and `lake_server` a data lake over HTTP.
"""

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.lake import ChainLake
from sorobanflow.devnet.lake_server import LakeServer
from sorobanflow.devnet.lake_writer import write_lake
from sorobanflow.devnet.ledger_file import LedgerFile
from sorobanflow.devnet.listed import ListedLedgers
from sorobanflow.devnet.recording import Recording
from sorobanflow.devnet.server import DevnetServer
from sorobanflow.devnet.supply import Ledger, LedgerSupply, Network, Transaction

__all__ = [
    "Chain",
    "ChainLake",
    "DevnetServer",
    "Fault",
    "Generator",
    "LakeServer",
    "Ledger",
    "LedgerFile",
    "LedgerSupply",
    "ListedLedgers",
    "Network",
    "Recording",
    "Transaction",
    "parse_faults",
    "write_lake",
]
