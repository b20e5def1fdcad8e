"""Drop partitions that are older than what is kept, after their files are recorded.

A kill before the record of the drop leaves the partition, one after it a partition that the next
run drops. State and the table `ledgers` stay.
"""

from sqlalchemy import Engine

from sorobanflow.archive.closed import TABLES, ledgers_of
from sorobanflow.store.archives import mark_dropped
from sorobanflow.store.moving import move_rows
from sorobanflow.store.partitions import Partition, drop_partition


def drop(engine: Engine, partition: Partition, *, archived: bool) -> bool:
    """Drop a closed partition; False, with nothing dropped, if `archived` and a file is missing."""
    ledgers = ledgers_of(partition)
    if not mark_dropped(engine, ledgers, TABLES if archived else ()):
        return False
    move_rows(engine, ledgers)
    drop_partition(engine, partition)
    return True
