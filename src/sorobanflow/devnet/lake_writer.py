"""Write the ledgers of a supply into a folder, as a data lake (SEP-54)."""

import os
from collections.abc import Callable
from pathlib import Path

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.lake import MANIFEST, ChainLake
from sorobanflow.devnet.supply import LedgerSupply
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange


def write_lake(
    chain_or_supply: Chain | LedgerSupply,
    folder: Path,
    ledgers: LedgerRange,
    ledgers_per_batch: int = 1,
    batches_per_partition: int = 64_000,
    on_object: Callable[[LedgerRange], None] = lambda _: None,
) -> LedgerRange:
    """Write the objects that hold these ledgers, and the manifest; return what they hold.

    Objects hold whole batches, so the lake may start before the first ledger and end after
    the last one. Each file is written under another name first, so none is ever half there.

    Args:
        chain_or_supply: Where the ledgers come from.
        folder: Made if it is missing; files of the same names are replaced.
        ledgers: The ledgers that the lake must hold.
        ledgers_per_batch: Ledgers of an object.
        batches_per_partition: Objects of a folder; with 1 there are no folders.
        on_object: Called after each object with its ledgers.

    Raises:
        ConfigurationError: there are not all ledgers of these batches.
        NoWholeLedgersError: the supply has transactions only.
    """
    chain = _closed(chain_or_supply, ledgers.last + ledgers_per_batch)
    lake = ChainLake(chain, ledgers_per_batch, batches_per_partition)
    _write(lake, folder, MANIFEST)
    sequence, first = ledgers.first, ledgers.last
    while sequence <= ledgers.last:
        held = lake.held(sequence)
        if held is None:
            raise ConfigurationError(
                f"the batch {lake.layout.batch(sequence)} is not whole: there are the ledgers "
                f"{LedgerRange(chain.first, chain.window().last)}; write fewer ledgers"
            )
        _write(lake, folder, lake.layout.key(sequence))
        on_object(held)
        first, sequence = min(first, held.first), held.last + 1
    return LedgerRange(first, sequence - 1)


def _closed(chain_or_supply: Chain | LedgerSupply, last: int) -> Chain:
    """Return a chain that has closed a ledger, or all that its supply has."""
    if isinstance(chain_or_supply, Chain):
        return chain_or_supply
    is_endless = chain_or_supply.last is None
    closed = max(1, last - chain_or_supply.first + 1) if is_endless else None
    return Chain(chain_or_supply, closed=closed)


def _write(lake: ChainLake, folder: Path, key: str) -> None:
    content = lake.read(key)
    assert content is not None
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    os.replace(new, path)
