"""Replay the quarantine: after a fix, decode again what could not be decoded.

Invariants: an item is stored and leaves quarantine in one transaction, or its attempts grow; its
failure never stops the others; stored rows stay, because nothing shows which delivery is right.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import psycopg
from sqlalchemy import Connection, Engine, text

from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, Malformed, Transaction, is_misplaced
from sorobanflow.sources.rpc.wire import Items
from sorobanflow.store.upsert import make_room, write_rows

#: Items read by one query; an item may have 100 KiB.
PAGE = 100

_MAX_ERROR_LENGTH = 1000

_events, _transactions = Items(Event), Items(Transaction)


class ReplayResult(NamedTuple):
    """How many items were stored, and how many stay."""

    stored: int
    still_bad: int
    # Of the stored transactions, ascending. Accounts are right only when these are indexed again:
    # fee refunds come after all transactions of a ledger.
    ledgers: list[int]


class _Item(NamedTuple):
    """A row of quarantine."""

    kind: str
    key: str
    ledger: int
    payload: str
    error: str
    stream: str | None


def replay(
    engine: Engine, passphrase: str, on_item: Callable[[], object] = lambda: None
) -> ReplayResult:
    """Decode every item of the quarantine again, and store what decodes."""
    stored = still_bad = 0
    ledgers: set[int] = set()
    for item in _read_items(engine):
        on_item()
        if not _replay_item(engine, item, passphrase):
            still_bad += 1
            continue
        stored += 1
        if item.kind == "transaction":
            ledgers.add(item.ledger)
    return ReplayResult(stored, still_bad, sorted(ledgers))


def _read_items(engine: Engine) -> Iterator[_Item]:
    """Read the quarantine backwards by kind: transactions before their events.

    Items of dropped ledgers stay: nothing is written there.
    """
    query = text(
        "SELECT kind, key, ledger, payload, error, stream FROM quarantine "
        'WHERE (kind COLLATE "C", key) < (:kind, :key) '
        "AND NOT EXISTS (SELECT FROM dropped WHERE ledger BETWEEN first_ledger AND last_ledger) "
        'ORDER BY kind COLLATE "C" DESC, key DESC LIMIT :page'
    )
    last = {"kind": "~", "key": ""}
    while last:
        with engine.begin() as connection:
            rows = connection.execute(query, {**last, "page": PAGE}).all()
        yield from (_Item(*row) for row in rows)
        last = {"kind": rows[-1].kind, "key": rows[-1].key} if rows else {}


def _replay_item(engine: Engine, item: _Item, passphrase: str) -> bool:
    """Store an item and remove it from quarantine, or count the failure; True if stored."""
    delete = text("DELETE FROM quarantine WHERE kind = :kind AND key = :key")
    try:
        with engine.begin() as connection:
            rows = _make_rows(connection, item, passphrase)
        make_room(engine, rows)
        with engine.begin() as connection:
            bad = _store(connection, item, rows)
            if bad is None:
                connection.execute(delete, {"kind": item.kind, "key": item.key})
                return True
        _count_failure(engine, item, bad.error_class, bad.error)
    except (DecodeError, psycopg.DataError) as error:
        _count_failure(engine, item, type(error).__name__, str(error)[:_MAX_ERROR_LENGTH])
    return False


def _store(connection: Connection, item: _Item, rows: BatchRows) -> QuarantineRow | None:
    """Store the rows of an item; returns why it cannot be decoded, if so."""
    if rows.quarantine:
        return rows.quarantine[0]
    if item.kind == "token_operation":
        rows.events = []  # stored already, as the node sent it
    _refuse_stored(connection, rows)
    write_rows(connection, rows, item.stream or "all")
    return None


def _make_rows(connection: Connection, item: _Item, passphrase: str) -> BatchRows:
    sent = _decode(item)
    ledgers = LedgerRange(item.ledger, item.ledger)
    if isinstance(sent, Transaction):
        # A filtered stream writes no state; it does not matter here which filter it has.
        selected = None if item.stream in (None, "all") else EventFilter()
        return make_rows(ledgers, [], [sent], passphrase, whole=False, event_filter=selected)
    stated = sent.in_successful_contract_call
    if stated is None:
        query = text("SELECT successful FROM transactions WHERE hash = :hash")
        successful = connection.execute(query, {"hash": sent.tx_hash}).scalar()
        sent = msgspec.structs.replace(sent, in_successful_contract_call=successful)
    rows = make_rows(ledgers, [sent], [], passphrase, whole=False)
    rows.events = [row._replace(in_successful_call=stated) for row in rows.events]
    return rows


def _decode(item: _Item) -> Event | Transaction:
    if is_misplaced(item.error):
        raise DecodeError(item.error)
    items = _transactions if item.kind == "transaction" else _events
    [sent] = items.decode([msgspec.Raw(item.payload.encode())])
    if isinstance(sent, Malformed):
        raise DecodeError(sent.error)
    return sent


def _refuse_stored(connection: Connection, rows: BatchRows) -> None:
    query = text(
        "SELECT id FROM events WHERE ledger = ANY(:in_ledgers) AND id = ANY(:ids) "
        "UNION ALL SELECT hash FROM transactions WHERE hash = ANY(:hashes) "
        "UNION ALL SELECT hash FROM transactions "
        "WHERE ledger = ANY(:ledgers) AND application_order = ANY(:orders)"
    )
    values = {
        "in_ledgers": [row.ledger for row in rows.events],
        "ids": [row.id for row in rows.events],
        "hashes": [row.hash.hex() for row in rows.transactions],
        "ledgers": [row.ledger for row in rows.transactions],
        "orders": [row.application_order for row in rows.transactions],
    }
    stored = connection.execute(query, values).scalar()
    if stored is not None:
        raise DecodeError(f"{stored} is stored already, from another delivery")


def _count_failure(engine: Engine, item: _Item, error_class: str, error: str) -> None:
    query = text(
        "UPDATE quarantine SET attempts = attempts + 1, error_class = :error_class, "
        "error = :error WHERE kind = :kind AND key = :key"
    )
    values = {"kind": item.kind, "key": item.key, "error_class": error_class, "error": error}
    with engine.begin() as connection:
        connection.execute(query, values)
