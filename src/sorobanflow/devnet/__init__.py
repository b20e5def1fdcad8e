"""A local Stellar RPC over HTTP that serves recorded or generated ledgers.

For tests, measurements and first steps without a network. It shares no code
with the indexer's client and decoders, so that an error of theirs cannot hide
in it. From the inside out: `source` (`recording`, `generator`) gives ledgers,
`chain` closes and trims them, `node` answers methods, `jsonrpc` speaks the
protocol, `faults` say what goes wrong (`effects`, `spoilers`), `server` is HTTP.
"""

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.recording import Recording
from sorobanflow.devnet.server import DevnetServer
from sorobanflow.devnet.source import Ledger, ListedLedgers, Network, Source, Transaction

__all__ = [
    "Chain",
    "DevnetServer",
    "Fault",
    "Generator",
    "Ledger",
    "ListedLedgers",
    "Network",
    "Recording",
    "Source",
    "Transaction",
    "parse_faults",
]
