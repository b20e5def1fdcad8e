"""Remove a stream from the tables, or count what would go: the statements of `forget`.

Invariant: each function works in the caller's transaction, in which no other stream is written and
no ledger becomes dropped. Files of the archive stay.
"""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    delete,
    exists,
    func,
    select,
    update,
)

from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.archives import guard_write
from sorobanflow.store.engine import driver_connection
from sorobanflow.store.needed import Needed, StoredStream, Streams, multirange
from sorobanflow.store.tables import (
    PARTITIONED,
    SPEC_TABLES,
    STATE_TABLES,
    archives,
    contract_answers,
    contract_executables,
    contract_specs,
    dropped,
    events,
    inferred_events,
    ledgers,
    metadata,
    quarantine,
    token_answers,
    token_balances,
    token_metadata,
    token_operations,
    tokens,
    transactions,
)
from sorobanflow.store.tables.contracts import contracts
from sorobanflow.store.tables.progress import coverage

#: What only the stream of everything writes; and tokens and contracts, whose rows are of no ledger.
_OF_EVERYTHING = (
    *(*STATE_TABLES, contract_executables, tokens, token_answers),
    *(contracts, contract_answers, contract_specs, *SPEC_TABLES, inferred_events),
)
#: What may be left after the last stream's ledgers, since it was dropped or is to be.
_LEFT_OVER = (*PARTITIONED, ledgers, archives, dropped)
#: What remembers a stream.
_OF_STREAM = tuple(table for table in metadata.sorted_tables if "stream" in table.columns)


def count_rows(connection: Connection, chunk: LedgerRange, streams: Streams) -> dict[str, int]:
    """Count the rows that go with these ledgers, by table."""
    needed = Needed(connection, chunk, streams)
    rows = {table.name: _number(connection, table, needed.surplus(table)) for table in PARTITIONED}
    return rows | {quarantine.name: _number(connection, quarantine, *_own_items(chunk, streams))}


def count_rest(connection: Connection) -> dict[str, int]:
    """Count the rows that go with the last stream, and are of no ledger."""
    return {table.name: _number(connection, table) for table in _OF_EVERYTHING}


def _number(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    counted = select(func.count()).select_from(table).where(*where)
    return connection.execute(counted).scalar_one()


def remove_rows(connection: Connection, chunk: LedgerRange, streams: Streams) -> dict[str, int]:
    """Remove the rows of these ledgers that no other stream needs; gives numbers by table."""
    gone = {quarantine.name: _remove_items(connection, chunk, streams)}
    needed = Needed(connection, chunk, streams)
    if needed.everything:
        return gone
    named = select(token_operations.c.contract_id).where(needed.surplus(token_operations))
    tokens_of = connection.execute(named.distinct()).scalars().all()
    emitted = select(events.c.contract_id).where(needed.surplus(events))
    contracts_of = connection.execute(emitted.distinct()).scalars().all()
    for table in PARTITIONED:
        removed = connection.execute(delete(table).where(needed.surplus(table)))
        gone[table.name] = removed.rowcount
    if any(gone[table.name] for table in PARTITIONED):
        guard_write(driver_connection(connection), chunk)  # their files hold more now
    _count_ledgers(connection, needed, streams.own)
    if tokens_of:
        _remove_tokens(connection, tokens_of)
    if contracts_of:
        _remove_contracts(connection, contracts_of, streams)
    return gone


def _count_ledgers(connection: Connection, needed: Needed, own: StoredStream) -> None:
    """Count the rows of the ledgers anew; those without any go.

    One with a header stays: it is of the stream of everything.
    """
    within = needed.may_lose(ledgers.c.sequence)
    numbers = [
        select(func.count()).where(table.c.ledger == ledgers.c.sequence).scalar_subquery()
        for table in (transactions, events)
    ]
    counts = dict(zip(("transaction_count", "event_count"), numbers, strict=True))
    connection.execute(update(ledgers).where(within).values(counts))
    empty = [within, *(ledgers.c[name] == 0 for name in counts)]
    if own.filter_json is not None:
        empty.append(ledgers.c.hash.is_(None))
    connection.execute(delete(ledgers).where(*empty))


def _remove_tokens(connection: Connection, contracts: Sequence[str]) -> None:
    """Remove those of the tokens of which nothing is stored any more."""
    seen = [
        ~exists().where(table.c.contract_id == tokens.c.contract_id).correlate(tokens)
        for table in (token_operations, token_balances, token_metadata)
    ]
    connection.execute(delete(tokens).where(tokens.c.contract_id.in_(contracts), *seen))
    known = exists().where(tokens.c.contract_id == token_answers.c.contract_id)
    named = token_answers.c.contract_id.in_(contracts)
    connection.execute(delete(token_answers).where(named, ~known.correlate(token_answers)))


def _remove_contracts(connection: Connection, emitted: Sequence[str], streams: Streams) -> None:
    """Remove those of the contracts of which no event is stored any more.

    Where all is indexed, other contracts are called; which of them, no index tells.
    """
    if any(one.filter_json is None for one in streams.others):
        return
    seen = exists().where(events.c.contract_id == contracts.c.contract_id).correlate(contracts)
    connection.execute(delete(contracts).where(contracts.c.contract_id.in_(emitted), ~seen))
    known = exists().where(contracts.c.contract_id == contract_answers.c.contract_id)
    named = contract_answers.c.contract_id.in_(emitted)
    connection.execute(delete(contract_answers).where(named, ~known.correlate(contract_answers)))


def _remove_items(connection: Connection, chunk: LedgerRange, streams: Streams) -> int:
    """Remove the stream's items in quarantine; gives their number.

    Another stream that covers their ledger gets them: whether it selects them is not known.
    """
    gone = connection.execute(delete(quarantine).where(*_own_items(chunk, streams)))
    another = select(func.min(coverage.c.stream)).where(*_of_another(streams.own))  # `all` is first
    of_chunk = quarantine.c.ledger.between(*chunk)
    connection.execute(
        update(quarantine)
        .where(quarantine.c.stream == streams.own.name, of_chunk)
        .values(stream=another.correlate(quarantine).scalar_subquery())
    )
    return gone.rowcount


def _own_items(chunk: LedgerRange, streams: Streams) -> list[ColumnElement[bool]]:
    """Whether an item in quarantine is the stream's, and no other one covers its ledger."""
    covered = exists().where(*_of_another(streams.own)).correlate(quarantine)
    of_stream = quarantine.c.stream == streams.own.name
    return [of_stream, quarantine.c.ledger.between(*chunk), ~covered]


def _of_another(own: StoredStream) -> list[ColumnElement[bool]]:
    held = quarantine.c.ledger.bool_op("<@")(coverage.c.ledgers)
    return [coverage.c.stream != own.name, held]


def remove_coverage(connection: Connection, chunk: LedgerRange, own: StoredStream) -> None:
    """Remove the ledgers from what the stream holds."""
    left = coverage.c.ledgers.op("-")(multirange([chunk]))
    connection.execute(update(coverage).where(coverage.c.stream == own.name).values(ledgers=left))


def remove_stream(connection: Connection, streams: Streams) -> dict[str, int]:
    """Remove what remembers a stream that covers nothing; gives numbers of other rows, by table.

    With the last stream go state, tokens, and what is known of dropped ledgers and archives.
    """
    for table in _OF_STREAM:
        connection.execute(delete(table).where(table.c.stream == streams.own.name))
    if streams.others:
        return {}
    for table in _LEFT_OVER:
        connection.execute(delete(table))
    return {table.name: connection.execute(delete(table)).rowcount for table in _OF_EVERYTHING}
