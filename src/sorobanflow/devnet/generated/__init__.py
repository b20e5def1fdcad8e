"""Generated ledgers: made-up activity in real XDR, the same for the same seed."""

from sorobanflow.devnet.generated.cast import PASSPHRASE
from sorobanflow.devnet.generated.generator import Generator

__all__ = ["PASSPHRASE", "Generator"]
