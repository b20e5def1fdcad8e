"""Tables of the archive: the files that hold ledgers, and the ledgers whose rows were dropped."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table

from sorobanflow.store.tables.columns import (
    id_column,
    key_column,
    metadata,
    now_column,
    number_key,
    required_column,
)

archives = Table(
    "archives",
    metadata,
    key_column("table_name", "table whose rows the file holds"),
    number_key("first_ledger", "first ledger of the file"),
    required_column("last_ledger", Integer, "last ledger of the file, included"),
    id_column("path", "where the file is: a path, or a URL such as s3://bucket/…", nullable=False),
    Column("rows", BigInteger, comment="rows in it; null: it is being written"),
    Column("bytes", BigInteger, comment="its size"),
    id_column("sha256", "SHA-256 of the file, hex"),
    now_column("begun_at", "when its run began to write it"),
    Column(
        "written_at",
        DateTime(timezone=True),
        comment="when it was compared with the table; null: it is being written",
        info={"volatile": True},
    ),
    comment="A Parquet file that holds the rows of these ledgers, compared row for row. "
    "Key: table_name, first_ledger. Writing to the ledgers removes the record, so that the next "
    "run of archive writes the file again.",
)

dropped = Table(
    "dropped",
    metadata,
    number_key("first_ledger", "first ledger"),
    required_column("last_ledger", Integer, "last ledger, included"),
    now_column("dropped_at", "when the run of archive dropped them"),
    comment="Ledgers whose rows of what happened are no longer in the database; the table "
    "archives says which file has them. Key: first_ledger. Nothing is written into them.",
)
