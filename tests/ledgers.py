"""Generated ledgers that tests share: making one costs more CPU than indexing it."""

from functools import cache

from sorobanflow.devnet import Generator


@cache
def generated(*, first: int = 1, transactions_per_ledger: int = 10) -> Generator:
    """Give the generator of this form, which keeps the ledgers that it has made."""
    return Generator(8, first=first, transactions_per_ledger=transactions_per_ledger)
