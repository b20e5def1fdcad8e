"""Compare ledgers with the node: are the stored rows those that its answers make?

They are fetched, decoded and made into rows as the pipeline does it. Every ledger that differs has
a difference for each table that does.
"""

from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from sorobanflow.audit.lacking import find_lacking
from sorobanflow.audit.unlike import Difference, find_unlike
from sorobanflow.errors import ConfigurationError, LedgerOutsideRetentionError
from sorobanflow.ledgers import LAST_LEDGER, LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.mass_failure import refuse_mass_failure
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.rows.token_shapes import FEE
from sorobanflow.sources.rpc.client import MAX_EVENTS
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.sources.source import fetch_batch
from sorobanflow.store.claims import Claims, claims_on
from sorobanflow.store.moving import move_rows
from sorobanflow.store.upsert import make_room, write_rows

#: Differences that keep their examples: where all ledgers differ, these would fill the memory.
MAX_WITH_EXAMPLES = 1000
_LEDGERS_WITH_FEES = text(
    "SELECT DISTINCT ledger FROM token_operations WHERE type = 'fee' "
    "AND ledger BETWEEN :first AND :last"
)
#: Batches beside one of an audit, as far as the planner is to know: it makes one chunk of each.
_OTHER_BATCHES = 100


class Failure(NamedTuple):
    """Ledgers that could not be compared or repaired, and why."""

    ledgers: LedgerRange
    error: str


class Compared(NamedTuple):
    """The number of ledgers that were compared with the node, and what came of it."""

    ledgers: int = 0
    differences: tuple[Difference, ...] = ()
    failures: tuple[Failure, ...] = ()

    def add(self, other: "Compared") -> "Compared":
        """Add the result of other ledgers; only the first differences keep their examples."""
        found = other.differences
        if len(self.differences) >= MAX_WITH_EXAMPLES:
            found = tuple(one._replace(examples=()) for one in found)
        return Compared(
            self.ledgers + other.ledgers,
            (*self.differences, *found),
            (*self.failures, *other.failures),
        )


def compare(engine: Engine, source: RpcSource, ledgers: LedgerRange, claims: Claims) -> Compared:
    """Compare a stream's covered ledgers with the node's, without those that it drops meanwhile.

    Raises:
        ConfigurationError: the node emits fewer events than the one that was indexed from.
    """
    compared = Compared()
    rest = ledgers
    while rest.size > 0:
        try:
            rows = fetch_rows(source, rest)
        except LedgerOutsideRetentionError as error:
            rest = LedgerRange(max(error.oldest, rest.first + 1), rest.last)
            continue
        refuse_mass_failure(rows)
        make_room(engine, rows)
        with engine.begin() as connection:
            if source.event_filter is None:
                _refuse_silent_node(connection, rows)
            found = find_unlike(connection, rows, source.event_filter, claims)
            found += find_lacking(connection, rows)
        compared = compared.add(Compared(rows.ledgers.size, tuple(found)))
        rest = LedgerRange(rows.ledgers.last + 1, rest.last)
    return compared


def fetch_rows(source: RpcSource, ledgers: LedgerRange) -> BatchRows:
    """Make the rows of a batch that begins with these ledgers, in the calling thread."""
    batch = source.begin_batch(ledgers, MAX_EVENTS, _OTHER_BATCHES)
    items = fetch_batch(batch)
    return make_rows(
        batch.ledgers,
        items.events,
        items.transactions,
        source.passphrase,
        event_filter=source.event_filter,
    )


def _refuse_silent_node(connection: Connection, rows: BatchRows) -> None:
    """Refuse a node whose classic events are off if one that has them on was indexed from.

    A repair would delete them. Every transaction pays a fee, which only such events state.
    """
    stated = {row.ledger for row in rows.token_operations if row.type == FEE}
    stored = set(connection.execute(_LEDGERS_WITH_FEES, rows.ledgers._asdict()).scalars())
    silent = stored.intersection(row.ledger for row in rows.transactions) - stated
    if silent:
        raise ConfigurationError(
            f"the node states no fees as events in ledger {min(silent)}, but such events are "
            "stored; expected a node that emits classic events, as the one that was indexed from "
            "does (EMIT_CLASSIC_EVENTS). Nothing was compared with it"
        )


def find_future_rows(engine: Engine, newest: int) -> Compared:
    """Find rows of ledgers after the node's newest, and after all that any stream holds."""
    move_rows(engine, LedgerRange(newest + 1, LAST_LEDGER))
    with engine.begin() as connection:
        rows, claims = _future(connection, newest)
        return Compared(differences=tuple(find_unlike(connection, rows, None, claims)))


def remove_future_rows(engine: Engine, newest: int) -> None:
    """Remove what `find_future_rows` finds."""
    move_rows(engine, LedgerRange(newest + 1, LAST_LEDGER))
    with engine.begin() as connection:
        rows, claims = _future(connection, newest)
        write_rows(connection, rows, "all", claims)


def _future(connection: Connection, newest: int) -> tuple[BatchRows, Claims]:
    """Return an empty batch of those ledgers, and the claims on them.

    The transaction gets one snapshot: what is indexed meanwhile is not of the future.
    """
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    held = connection.execute(text("SELECT max(upper(ledgers)) - 1 FROM coverage")).scalar()
    future = LedgerRange(max(newest, held or 0) + 1, LAST_LEDGER - 1)
    rows = BatchRows(future)
    rows.is_whole = True  # there is nothing of which it could tell less
    return rows, claims_on(connection, [future])
