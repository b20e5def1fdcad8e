"""What the tables share: the metadata that collects them, and common columns.

Text in keys and ranges has the collation "C": it compares by bytes, which is cheaper,
and is chain order for event ids.
"""

from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def key_column(name: str, comment: str, primary_key: bool = False) -> Column[str]:
    """Make a text column that is never null and compares by bytes."""
    collated = Text(collation="C")
    return Column(name, collated, nullable=False, primary_key=primary_key, comment=comment)


def id_column(name: str, comment: str) -> Column[str]:
    """Make a text column that may be null and compares by bytes."""
    return Column(name, Text(collation="C"), comment=comment)


def text_column(name: str, comment: str) -> Column[str]:
    """Make a column of text for people, which may be null."""
    return Column(name, Text(), comment=comment)


def ledger_column(comment: str = "sequence of the ledger") -> Column[int]:
    """Make the column of a row's ledger."""
    return Column("ledger", Integer, nullable=False, comment=comment)


def closed_at_column() -> Column[Any]:
    """Make the column of that ledger's close time."""
    comment = "close time of the ledger"
    return Column("closed_at", DateTime(timezone=True), nullable=False, comment=comment)


def now_column(name: str, comment: str) -> Column[Any]:
    """Make the column of the time of writing, which is not compared between databases."""
    options: dict[str, Any] = {"server_default": text("now()"), "info": {"volatile": True}}
    return Column(name, DateTime(timezone=True), nullable=False, comment=comment, **options)
