"""Replay the quarantine: decode again what could not be decoded, after a fix.

Reads the payloads that `quarantine` keeps; asks no node. Invariants: an item is
stored and leaves quarantine in one transaction, or it stays and its attempts
grow; one item's failure never stops the others; nothing that is stored already
is overwritten, for what came differently a second time cannot be told from a lie.
Killed at any instant it leaves nothing half done.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import psycopg
from sqlalchemy import Connection, Engine, text

from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch import Batch, make_batch
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.wire import Items
from sorobanflow.store.upsert import write_rows

#: Items read at once; one has been seen to weigh 100 KiB.
PAGE = 100

_events, _transactions = Items(Event), Items(Transaction)

#: Errors of items that are sound by themselves and stood where they cannot belong: decoding
#: them again tells nothing (`rpc.places`, `rpc.paging`).
_OUT_OF_PLACE = ("its place (", "the request starts at ledger ")
_ERROR_LENGTH = 1000


class ReplayResult(NamedTuple):
    """What became of the quarantine.

    Attributes:
        replayed: Items that are stored now.
        still_bad: Items that stayed.
        ledgers: Ledgers of the transactions that are stored now, ascending. Refunds of
            fees count on all transactions of a ledger, so the accounts in these are
            right only when the ledgers are indexed again.
    """

    replayed: int
    still_bad: int
    ledgers: list[int]


class _Held(NamedTuple):
    """A row of quarantine."""

    kind: str
    key: str
    ledger: int
    payload: str
    error: str
    stream: str | None


class _Failure(NamedTuple):
    """Why an item stays."""

    error_class: str
    error: str


def replay(
    engine: Engine, passphrase: str, progress: Callable[[int], object] | None = None
) -> ReplayResult:
    """Decode every item of the quarantine again.

    Args:
        engine: The database.
        passphrase: Of the network.
        progress: Called behind each page with the number of items looked at.
    """
    replayed = still_bad = 0
    ledgers: set[int] = set()
    for page in _pages(engine):
        for held in page:
            if not _replay_one(engine, held, passphrase):
                still_bad += 1
                continue
            replayed += 1
            if held.kind == "transaction":
                ledgers.add(held.ledger)
        if progress:
            progress(replayed + still_bad)
    return ReplayResult(replayed, still_bad, sorted(ledgers))


def _pages(engine: Engine) -> Iterator[list[_Held]]:
    """Read the quarantine backwards by key: events come behind their transactions."""
    before = {"kind": "~", "key": ""}
    while True:
        with engine.begin() as connection:
            rows = connection.execute(
                text(
                    "SELECT kind, key, ledger, payload, error, stream FROM quarantine "
                    'WHERE (kind COLLATE "C", key) < (:kind, :key) '
                    'ORDER BY kind COLLATE "C" DESC, key DESC LIMIT :page'
                ),
                {**before, "page": PAGE},
            ).all()
        if not rows:
            return
        page = [_Held(*row) for row in rows]
        yield page
        before = {"kind": page[-1].kind, "key": page[-1].key}


def _replay_one(engine: Engine, held: _Held, passphrase: str) -> bool:
    """Store an item and release it, or count the failure; whether it is stored."""
    try:
        with engine.begin() as connection:
            failure = _store(connection, held, passphrase)
            if failure is None:
                connection.execute(
                    text("DELETE FROM quarantine WHERE kind = :kind AND key = :key"),
                    {"kind": held.kind, "key": held.key},
                )
    except (DecodeError, psycopg.DataError) as error:
        failure = _Failure(type(error).__name__, str(error)[:_ERROR_LENGTH])
    if failure is not None:
        _count_failure(engine, held, failure)
    return failure is None


def _store(connection: Connection, held: _Held, passphrase: str) -> _Failure | None:
    batch = _batch_of(connection, held, passphrase)
    if batch.quarantine:
        bad = batch.quarantine[0]
        return _Failure(bad.error_class, bad.error)
    if held.kind == "token_operation":
        batch.events = []  # stored as the node sent it
    _refuse_known(connection, batch)
    write_rows(connection, batch, held.stream or "all")
    return None


def _batch_of(connection: Connection, held: _Held, passphrase: str) -> Batch:
    """Make the rows of an item.

    Raises:
        DecodeError: there is nothing that could make rows.
    """
    item = _item(held)
    ledgers = LedgerRange(held.ledger, held.ledger)
    if isinstance(item, Transaction):
        return make_batch(ledgers, [], [item], passphrase, whole=False)
    said = item.in_successful_contract_call
    if said is None:
        applied = _was_applied(connection, item.tx_hash)
        item = msgspec.structs.replace(item, in_successful_contract_call=applied)
    batch = make_batch(ledgers, [item], [], passphrase, whole=False)
    batch.events = [row._replace(in_successful_call=said) for row in batch.events]
    return batch


def _item(held: _Held) -> Event | Transaction:
    if held.error.startswith(_OUT_OF_PLACE):
        raise DecodeError(held.error)
    items = _transactions if held.kind == "transaction" else _events
    [item] = items.decode([msgspec.Raw(held.payload.encode())])
    if isinstance(item, Malformed):
        raise DecodeError(item.error)
    return item


def _was_applied(connection: Connection, tx_hash: str) -> bool | None:
    return connection.execute(
        text("SELECT successful FROM transactions WHERE hash = :hash"), {"hash": tx_hash}
    ).scalar()


def _refuse_known(connection: Connection, batch: Batch) -> None:
    known = connection.execute(
        text(
            "SELECT id FROM events WHERE id = ANY(:ids) "
            "UNION ALL SELECT hash FROM transactions WHERE hash = ANY(:hashes)"
        ),
        {
            "ids": [row.id for row in batch.events],
            "hashes": [row.hash for row in batch.transactions],
        },
    ).scalar()
    if known is not None:
        raise DecodeError(f"{known} is stored already, as it was delivered another time")


def _count_failure(engine: Engine, held: _Held, failure: _Failure) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE quarantine SET attempts = attempts + 1, error_class = :error_class, "
                "error = :error WHERE kind = :kind AND key = :key"
            ),
            {"kind": held.kind, "key": held.key, **failure._asdict()},
        )
