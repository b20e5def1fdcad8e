"""Read from the tables what an audit compares."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, text

from sorobanflow.ledgers import LedgerRange


class Quarantined(NamedTuple):
    """Items in quarantine, of one kind and one class of error, since the oldest failed first."""

    kind: str
    error_class: str
    items: int
    ledgers: LedgerRange
    oldest: datetime


def quarantined(engine: Engine, ledgers: LedgerRange, stream: str) -> list[Quarantined]:
    """Count the quarantined items of these ledgers, by kind and class of error.

    A filtered stream has those that it fetched, and those of no known stream.
    """
    query = text(
        "SELECT kind, error_class, count(*), min(ledger), max(ledger), min(first_seen) "
        "FROM quarantine WHERE ledger BETWEEN :first AND :last "
        "AND (:stream = 'all' OR stream = :stream OR stream IS NULL) "
        "GROUP BY kind, error_class ORDER BY kind, error_class"
    )
    with engine.begin() as connection:
        return [
            Quarantined(kind, error_class, items, LedgerRange(first, last), oldest)
            for kind, error_class, items, first, last, oldest in connection.execute(
                query, {**ledgers._asdict(), "stream": stream}
            )
        ]
