"""The parameters of the flow `export`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from flows.parameters.shared import (
    CONFIG,
    DEFAULT_BLOCK,
    STALL_S,
    DatabaseBlock,
    Ledger,
    StallSeconds,
)
from sorobanflow.errors import ConfigurationError


@dataclass(frozen=True, config=CONFIG)
class Export:
    """Export a table or view and a ledger range to Parquet or CSV files.

    Reads the block `sorobanflow-database` and one snapshot of the database; writes
    files and, last, their manifest. A second run replaces all of them; a crash
    half-way leaves the older files, or files without a manifest.
    """

    table: str
    """A table with ledgers (events, transactions, operations, token_operations, ledgers, …) or a
    view with a column `ledger`. A state table gives the entries whose last change is in these
    ledgers."""
    first_ledger: Ledger | None = None
    """First ledger. Empty: the first covered one."""
    last_ledger: Ledger | None = None
    """Last ledger, included. Empty: the last covered one."""
    format: Literal["parquet", "csv"] = "parquet"
    """"parquet" or "csv". In CSV a null is an empty field, an empty text is "" in quotes, bytes
    are hex."""
    folder: Path = Path("export")
    """Folder of the files, on the machine of the run; created if missing."""
    stream: str = "all"
    """Stream whose coverage must hold every ledger: "all", or the "filter-…" of a filtered index.
    Rows of other streams are exported too."""
    database: DatabaseBlock = DEFAULT_BLOCK
    rows_per_file: Annotated[int, Field(ge=1000)] = 1_000_000
    """Maximum number of rows in a file."""
    stall_s: StallSeconds = STALL_S
    """Seconds without new rows from the database after which the run fails. An export whose
    connection is lost starts again within this time."""

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        first, last = self.first_ledger, self.last_ledger
        if first and last and first > last:
            raise ConfigurationError(f"first_ledger {first} is above last_ledger {last}; swap them")
