"""What the tables share: the metadata that collects them, and frequent columns.

Text that takes part in keys and ranges has the collation "C": byte order is
chain order for event ids, and comparing is cheaper.
"""

from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def key_column(name: str, comment: str, primary_key: bool = False) -> Column[str]:
    """A text that is never null and compares by its bytes."""
    collated = Text(collation="C")
    return Column(name, collated, nullable=False, primary_key=primary_key, comment=comment)


def text_column(name: str, comment: str) -> Column[str]:
    """A text for people, which may be null."""
    return Column(name, Text(), comment=comment)


def ledger_column(comment: str = "sequence of the ledger") -> Column[int]:
    """The ledger that a row is of."""
    return Column("ledger", Integer, nullable=False, comment=comment)


def closed_at_column() -> Column[Any]:
    """The close time of that ledger."""
    return Column(
        "closed_at", DateTime(timezone=True), nullable=False, comment="close time of the ledger"
    )
