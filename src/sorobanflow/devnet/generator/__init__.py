"""Generate ledgers: invented activity in real XDR, always the same for the same seed."""

from sorobanflow.devnet.generator.cast import PASSPHRASE
from sorobanflow.devnet.generator.generator import Generator

__all__ = ["PASSPHRASE", "Generator"]
