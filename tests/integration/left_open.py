"""What a node leaves open of the transactions of whole ledgers."""

from collections.abc import Sequence
from typing import Any

from sorobanflow.store.only_whole import LEFT_OPEN
from sorobanflow.store.tables import transactions


def as_a_node_tells(told: Sequence[Any], whole: Sequence[Any]) -> list[Any]:
    """Take from rows of transactions the columns that are null in what a node told of them."""
    return [
        row._replace(**{name: None for name in LEFT_OPEN[transactions] if not _has(one, name)})
        for one, row in zip(told, whole, strict=True)
    ]


def _has(row: Any, name: str) -> bool:
    return getattr(row, name) is not None
