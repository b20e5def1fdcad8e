"""What a process remembers of a database's partitions; its engine keeps it."""

from dataclasses import dataclass, field

from sqlalchemy import Engine

from sorobanflow.ledgers import LAST_LEDGER, LedgerRange, subtract


@dataclass
class KnownPartitions:
    """What a process knows of a database's partitions, so that it need not ask again."""

    ledgers: list[LedgerRange] = field(default_factory=list)  # that have one; each is a partition
    all_moved: bool = False  # whether no rows are in tables of an older release

    def suffice(self, wanted: LedgerRange) -> bool:
        """Whether these ledgers have partitions, and there is one after them."""
        if not self.ledgers or subtract(wanted, self.ledgers):
            return False
        return wanted.last < self.ledgers[-1].first or self.ledgers[-1].last == LAST_LEDGER

    def forget(self) -> None:
        """Know nothing any more: partitions, or the schema, have gone."""
        self.ledgers, self.all_moved = [], False


def known_partitions(engine: Engine) -> KnownPartitions:
    """Return what the process knows of the database of an engine of `open_engine`."""
    known = engine.get_execution_options()["partitions"]
    assert isinstance(known, KnownPartitions)
    return known
