"""Export: rows of a ledger range as Parquet or CSV files, with a manifest of what was written."""

from sorobanflow.extras import require

require("export", "pandas", "pyarrow")
