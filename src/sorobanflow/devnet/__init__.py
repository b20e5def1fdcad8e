"""A local Stellar RPC node over HTTP that serves recorded or generated ledgers.

For tests, measurements and first steps without a network. It shares no code
with the indexer's client and decoders, so an error there cannot hide in it.

From the inside out: `supply` (`recording`, `generator`) makes ledgers, `chain`
closes and trims them, `node` answers methods, `jsonrpc` speaks the protocol,
`faults` defines faults (`call_faults` and `reply_faults` apply them), `server` is HTTP.
"""

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.recording import Recording
from sorobanflow.devnet.server import DevnetServer
from sorobanflow.devnet.supply import Ledger, LedgerSupply, ListedLedgers, Network, Transaction

__all__ = [
    "Chain",
    "DevnetServer",
    "Fault",
    "Generator",
    "Ledger",
    "LedgerSupply",
    "ListedLedgers",
    "Network",
    "Recording",
    "Transaction",
    "parse_faults",
]
