"""The parameters of the flow `archive`."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from flows.parameters.shared import (
    CONFIG,
    DEFAULT_BLOCK,
    BlockName,
    DatabaseBlock,
    StallSeconds,
)
from sorobanflow.errors import ConfigurationError

#: PostgreSQL sorts a partition before it gives the first row.
ARCHIVE_STALL_S = 3600


@dataclass(frozen=True, config=CONFIG)
class Archive:
    """Write closed partitions to Parquet files, and drop those older than `keep_ledgers`.

    Reads the block `sorobanflow-database`, whose user has to own the tables to drop any.
    A partition is closed if newer ledgers are stored and none of its own is missing. Each of
    its tables becomes a file, compared row for row with the table, and is then recorded in
    the table `archives`; only after that the partition is dropped. A second run does what is
    left; a crash half-way leaves a file without a record, which the next run writes again.
    Dropped ledgers stay covered: nothing fetches them again.
    """

    target: str | None = None
    """Where the files go: an absolute path of a folder on the machine of the run, or a URL such
    as s3://bucket/path. Empty: no files are written."""
    credentials: Annotated[str | None, BlockName("data-lake")] = None
    """A data-lake block whose credentials, region and endpoint are those of the bucket; its URL
    is not used. Empty: the environment's, or the machine's role."""
    keep_ledgers: Annotated[int | None, Field(ge=1)] = None
    """Newest ledgers whose rows stay in the database: 1,555,200 are 90 days. Of partitions that
    end before them, the rows of what happened are dropped, once they are archived; without a
    target they are dropped for good. State and ledgers stay. Empty: for ever."""
    database: DatabaseBlock = DEFAULT_BLOCK
    stall_s: StallSeconds = ARCHIVE_STALL_S
    """Seconds without progress after which the run fails. Progress is a row group of a file that
    was written or compared; before the first one the database sorts the rows of a partition."""

    def __post_init__(self) -> None:
        """Refuse a run that has nothing to do."""
        if self.target is None and self.keep_ledgers is None:
            raise ConfigurationError(
                "there is nothing to do: set target, where files go, or keep_ledgers, or both"
            )
