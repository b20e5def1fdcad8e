"""Types of the flows' parameters, as the UI's form shows and checks them."""

from typing import Annotated

from pydantic import Field

from sorobanflow.ledgers import LAST_LEDGER

Ledger = Annotated[int, Field(ge=1, le=LAST_LEDGER)]
Workers = Annotated[int, Field(ge=1, le=100)]
#: Without progress, whatever a run waits for.
StallSeconds = Annotated[float, Field(ge=5, le=86_400)]
STALL_S = 300
