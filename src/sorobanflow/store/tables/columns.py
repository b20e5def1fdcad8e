"""What the tables share: the metadata that collects them, and common columns.

Text in keys has the collation "C": it compares by bytes, and is chain order for event ids.
"""

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


#: The columns of the place of a change, in the order in which they decide.
CHANGE = ("ledger", "tx_order", "op_order", "change_order")


def required_column(name: str, kind: Any, comment: str) -> Column[Any]:  # noqa: ANN401 - a type
    """Make a column that is never null."""
    return Column(name, kind, nullable=False, comment=comment)


def key_column(name: str, comment: str) -> Column[str]:
    """Make a text column of the primary key; it compares by bytes."""
    return Column(name, Text(collation="C"), primary_key=True, comment=comment)


def number_key(name: str, comment: str) -> Column[int]:
    """Make an integer column of the primary key."""
    return Column(name, Integer, primary_key=True, autoincrement=False, comment=comment)


def id_column(name: str, comment: str, nullable: bool = True) -> Column[str]:
    """Make a text column that compares by bytes."""
    return Column(name, Text(collation="C"), nullable=nullable, comment=comment)


def hash_column(name: str, comment: str, nullable: bool = True) -> Column[bytes]:
    """Make a column of a hash, 32 bytes."""
    return Column(name, LargeBinary, nullable=nullable, comment=comment)


def text_column(name: str, comment: str) -> Column[str]:
    """Make a column of text for people, which may be null."""
    return Column(name, Text(), comment=comment)


def ledger_column(comment: str = "sequence of the ledger") -> Column[int]:
    """Make the column of a row's ledger."""
    return required_column("ledger", Integer, comment)


def ledgers_column(comment: str) -> Column[Any]:
    """Make a column of ledger ranges, at first none."""
    options: dict[str, Any] = {"server_default": text("'{}'"), "comment": comment}
    return Column("ledgers", INT4MULTIRANGE, nullable=False, **options)


def closed_at_column() -> Column[Any]:
    """Make the column of that ledger's close time."""
    return required_column("closed_at", DateTime(timezone=True), "close time of the ledger")


def now_column(name: str, comment: str) -> Column[Any]:
    """Make the column of the time of writing, which is not compared between databases."""
    options: dict[str, Any] = {"server_default": text("now()"), "info": {"volatile": True}}
    return Column(name, DateTime(timezone=True), nullable=False, comment=comment, **options)


_OF_CHANGE = {
    "ledger": "ledger of the last change",
    "tx_order": "1-based order of its transaction in the ledger; 0: fees before all "
    "transactions, 1048575: fees after them, 1048576: upgrades, 1048577: evictions",
    "op_order": "its 1-based operation; 0 before, 4095 after the operations; of fees and "
    "upgrades, the 1-based transaction or upgrade (0: a refund that an event states)",
    "change_order": "its index in the list of changes",
}


def change_columns(nullable: bool = False) -> list[Column[int]]:
    """Make the columns of the place of a row's last change."""
    return [Column(name, Integer, nullable=nullable, comment=_OF_CHANGE[name]) for name in CHANGE]


def change_key() -> list[Column[int]]:
    """Make the columns of the place of a change, of which each has a row."""
    comments = _OF_CHANGE | {"ledger": "ledger of the change"}
    return [number_key(name, comments[name]) for name in CHANGE]


def deleted_column(comment: str) -> Column[bool]:
    """Make the column that says whether the last change removed the entry."""
    return Column("deleted", Boolean, nullable=False, comment=comment)
