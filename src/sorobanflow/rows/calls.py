"""Make the rows of contract calls from the diagnostic events of a transaction."""

from datetime import datetime
from typing import NamedTuple


class ContractCallRow(NamedTuple):
    """A row of `contract_calls`; arguments, result and metrics are JSON text."""

    tx_hash: str
    call_index: int
    ledger: int
    closed_at: datetime
    depth: int
    parent_index: int | None
    contract_id: str | None
    function: str
    arguments: str
    result: str | None
    returned: bool
    core_metrics: str | None
