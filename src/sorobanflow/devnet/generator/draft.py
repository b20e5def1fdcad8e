"""A transaction before it is signed: its operations and their effects.

Scenes make drafts; `build` turns them into envelope, result and meta.
"""

from dataclasses import dataclass
from random import Random

from stellar_sdk import Keypair, Memo, NoneMemo, Operation, Preconditions, xdr

from sorobanflow.devnet.generator.cast import ACCOUNTS, account


@dataclass(frozen=True)
class Step:
    """One operation, with its result if it succeeds and if it fails."""

    operation: Operation
    success: xdr.OperationResultTr
    failure: xdr.OperationResultTr
    events: tuple[xdr.ContractEvent, ...] = ()
    changes: tuple[xdr.LedgerEntryChange, ...] = ()


@dataclass(frozen=True)
class Soroban:
    """The footprint and return value, which only Soroban transactions have."""

    read_only: tuple[xdr.LedgerKey, ...]
    read_write: tuple[xdr.LedgerKey, ...]
    return_value: xdr.SCVal | None


@dataclass(frozen=True)
class Draft:
    """The source account, the operations, and the Soroban part, if any."""

    source: Keypair
    steps: tuple[Step, ...]
    soroban: Soroban | None = None


@dataclass(frozen=True)
class Draw:
    """The input of a scene: its position in the chain, and its own random numbers.

    `number` counts all transactions of the chain. `memo` is the memo of the later
    envelope, which unified events repeat.
    """

    ledger: int
    order: int
    number: int
    random: Random
    memo: Memo

    def accounts(self, count: int) -> list[Keypair]:
        """Draw different accounts."""
        return [account(number) for number in self.random.sample(range(ACCOUNTS), count)]

    def amount(self) -> int:
        """Draw an amount that fits a classic balance."""
        return self.random.choice((1, 10_000_000, self.random.randrange(1, 10**12)))

    @property
    def sequence(self) -> int:
        """Sequence number of the source account, ascending along the chain."""
        return (1 << 40) + (self.ledger << 16) + self.order


@dataclass(frozen=True)
class Wrapping:
    """How a draft becomes an envelope: fees, failure, fee bump, memo, preconditions.

    `refund` is the refunded part of `fee`; both are in stroops.
    """

    fee: int
    refund: int = 0
    refund_after_tx: bool = False
    failed: bool = False
    fee_payer: Keypair | None = None
    muxed_id: int | None = None
    memo: Memo = NoneMemo()  # noqa: RUF009 - immutable
    preconditions: Preconditions | None = None
