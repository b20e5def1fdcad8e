"""The archive: closed partitions as Parquet files, compared row for row; and what is dropped."""

from sorobanflow.extras import require

require("export", "pandas", "pyarrow")
