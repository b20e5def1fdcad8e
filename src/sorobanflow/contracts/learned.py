"""Learn the shapes of a contract's undeclared events from those stored, and keep what was learnt.

Invariant: `inferred_events` says what the views of the contract's schema show, so it is written
in the transaction that makes them, and at no other time.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text

from sorobanflow.contracts.learning import Inferred, Summary, inferred_events
from sorobanflow.contracts.spec import Event
from sorobanflow.contracts.stored import param_row
from sorobanflow.contracts.view_sources import undeclared
from sorobanflow.store.tables import inferred_events as table

#: Events that shapes are learnt from, the newest ones; 100,000 take some ten seconds.
MAX_EVENTS = 200_000
SHOW_EVERY = 20_000


def learn(
    connection: Connection,
    contract_id: str,
    declaring: Sequence[str],
    show: Callable[[int], object] = lambda events: None,
) -> list[Inferred]:
    """Learn from the newest events outside of the ranges of Wasms that declare events.

    Args:
        connection: In a transaction.
        contract_id: C….
        declaring: Hashes of these Wasms.
        show: Is told now and then how many events were read.
    """
    query = (
        f"SELECT e.ledger, e.topics, e.value {undeclared(contract_id, declaring)} "
        f"ORDER BY e.ledger DESC LIMIT {MAX_EVENTS}"
    )
    summary = Summary()
    rows = connection.execute(text(query), execution_options={"yield_per": 1_000})
    for count, (ledger, topics, value) in enumerate(rows, 1):
        summary.add(topics, value, ledger)
        if count % SHOW_EVERY == 0:
            show(count)
    return inferred_events(summary)


def store_inferred(connection: Connection, contract_id: str, inferred: Sequence[Inferred]) -> None:
    """Put what was learnt in place of what the table has of the contract; nothing: remove it."""
    connection.execute(delete(table).where(table.c.contract_id == contract_id))
    for position, (event, rows, first_ledger) in enumerate(inferred):
        where = {"contract_id": contract_id, "position": position}
        seen = {"first_ledger": first_ledger, "event_count": rows}
        connection.execute(insert(table).values(**where, **_columns(event), **seen))


def _columns(event: Event) -> dict[str, Any]:
    params = [param_row(one) for one in event.params]
    head = {"name": event.name, "prefix_topics": list(event.prefix)}
    return head | {"params": params, "data_format": event.data_format}


def read_inferred(connection: Connection, contract_id: str) -> list[str]:
    """Read what was learnt, a line for each shape."""
    query = select(table).where(table.c.contract_id == contract_id).order_by(table.c.position)
    lines = []
    for row in connection.execute(query):
        params = ", ".join(f"{one['name']}: {one['type']}" for one in row.params)
        seen = f"{row.event_count:,} events since ledger {row.first_ledger}"
        lines.append(f"{row.name}({params})  {seen}")
    return lines
