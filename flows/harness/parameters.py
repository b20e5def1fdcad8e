"""Types of the flows' parameters, as the UI's form shows and checks them, and their range."""

from typing import Annotated

from pydantic import Field

from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LAST_LEDGER, LedgerRange

Ledger = Annotated[int, Field(ge=1, le=LAST_LEDGER)]
Workers = Annotated[int, Field(ge=1, le=100)]
#: Without progress, whatever a run waits for.
StallSeconds = Annotated[float, Field(ge=5, le=86_400)]
STALL_S = 300


def ledger_range(start_ledger: int, end_ledger: int) -> LedgerRange:
    """Give the range that two parameters name; ConfigurationError if it is empty."""
    if start_ledger > end_ledger:
        raise ConfigurationError(
            f"start_ledger {start_ledger} is above end_ledger {end_ledger}; swap them"
        )
    return LedgerRange(start_ledger, end_ledger)
