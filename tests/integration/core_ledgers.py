"""The whole ledgers of stellar-core's own tests, read once for the tests of a process."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.transactions import network_id
from tests.whole_ledgers import CORE_PASSPHRASE, WholeLedger, batch_object, core_chains

CORE_NETWORK = network_id(CORE_PASSPHRASE)


class CoreLedger(NamedTuple):
    """A ledger with its chain: `chain[at]` is the ledger itself."""

    chain: list[WholeLedger]
    at: int
    meta: CloseMeta

    @property
    def ledger(self) -> WholeLedger:
        return self.chain[self.at]


@cache
def read_core(test_data: Path) -> list[CoreLedger]:
    """Read all of them, each chain as one object of a lake."""
    return [
        CoreLedger(chain, at, meta)
        for chain in core_chains(test_data)
        for at, meta in enumerate(read_object(batch_object(chain), CORE_NETWORK))
    ]
