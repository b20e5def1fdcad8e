"""What a database must hold after a run against a faulty node.

Either the same as after a fault-free run, or `gaps` and `quarantine` name what
is missing, and everything else is as on a chain without it.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Engine, text

from sorobanflow.devnet import Chain
from sorobanflow.devnet.node import Node
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import Event, Malformed, Transaction
from sorobanflow.sources.rpc.wire import Items
from sorobanflow.store.coverage import open_stream, read_coverage
from sorobanflow.store.upsert import upsert_batch
from tests.property.fault_runs import LEDGERS, Setup, source_of

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Json = dict[str, Any]

#: Checked by what they name, not by their bytes.
NAMED = ("coverage", "gaps", "quarantine")


class Chained(NamedTuple):
    """The items of a chain that a setup wants, by key, as an honest node gives them."""

    events: dict[str, Json]
    transactions: dict[str, Json]


@cache
def honest(chain: int, filtered: bool) -> Chained:
    """Ask a node without faults for everything."""
    node = Node(Chain(source_of(chain)))
    asked: Json = {"startLedger": LEDGERS.first}
    filters = [{"topics": [["*", "**"]]}] if filtered else []
    page = {"limit": 10_000}
    events = node.call("getEvents", {**asked, "filters": filters, "pagination": page})["events"]
    page = {"limit": 200}
    transactions = node.call("getTransactions", {**asked, "pagination": page})["transactions"]
    events, transactions = (json.loads(msgspec.json.encode(one)) for one in (events, transactions))
    wanted = {event["txHash"] for event in events}
    return Chained(
        {event["id"]: event for event in events},
        {one["txHash"]: one for one in transactions if not filtered or one["txHash"] in wanted},
    )


class Held(NamedTuple):
    """A row of quarantine."""

    kind: str
    key: str
    ledger: int
    payload: str
    error: str


def quarantine(engine: Engine) -> list[Held]:
    query = "SELECT kind, key, ledger, payload, error FROM quarantine ORDER BY kind, key"
    with engine.begin() as connection:
        return [Held(*row) for row in connection.execute(text(query))]


def check(
    setup: Setup, engine: Engine, spare: Engine, fault_free: dict[str, Any], checksums: Checksums
) -> None:
    """Compare a database with the fault-free one.

    Args:
        setup: What was indexed.
        engine: The database.
        spare: An empty one, to build in what is expected.
        fault_free: Checksums of the fault-free run.
        checksums: Of all tables.
    """
    coverage = read_coverage(engine, setup.stream.name)
    held = quarantine(engine)
    assert coverage.accounted == [LEDGERS]
    gaps = {ledger for gap in coverage.gaps for ledger in _each(gap)}
    covered = {ledger for part in coverage.covered for ledger in _each(part)}
    assert not gaps & covered
    if not gaps and not held:
        assert checksums(engine) == fault_free
        return
    chain = honest(setup.chain, setup.filtered)
    missing = _missing(engine, chain, gaps)
    named = {(row.kind, _name(row, chain)) for row in held}
    unnamed = {one for one in missing if one not in named and not _by_events(one, named, chain)}
    assert not unnamed, f"missing and not named: {unnamed}"
    strangers = [row for row in held if (row.kind, _name(row, chain)) not in missing]
    strangers = [row for row in strangers if not _untellable(row, chain)]
    assert not strangers, f"named and not missing: {strangers}"
    _build(setup, spare, chain, missing, held, gaps)
    expected, got = checksums(spare), checksums(engine)
    differing = [name for name in expected if name not in NAMED and expected[name] != got[name]]
    assert not differing, f"{differing} differ from a chain without what is named"


def _each(ledgers: LedgerRange) -> range:
    return range(ledgers.first, ledgers.last + 1)


def _missing(engine: Engine, chain: Chained, gaps: set[int]) -> set[tuple[str, str]]:
    with engine.begin() as connection:
        events = set(connection.execute(text("SELECT id FROM events")).scalars())
        hashes = set(connection.execute(text("SELECT hash FROM transactions")).scalars())
    assert events <= set(chain.events)
    assert hashes <= set(chain.transactions)
    return {
        (kind, key)
        for kind, items, stored in (
            ("event", chain.events, events),
            ("transaction", chain.transactions, hashes),
        )
        for key, item in items.items()
        if key not in stored and item["ledger"] not in gaps
    }


def _by_events(one: tuple[str, str], named: set[tuple[str, str]], chain: Chained) -> bool:
    """Whether a filtered stream lacks a transaction since all events that want it are named."""
    kind, tx_hash = one
    wanting = [key for key, event in chain.events.items() if event["txHash"] == tx_hash]
    return kind == "transaction" and bool(wanting) and all(("event", w) in named for w in wanting)


def _untellable(row: Held, chain: Chained) -> bool:
    """Whether nothing can tell that a quarantined item is stored, having come sound as well.

    It has no key of its own; or it is an event that came also under a ledger
    that is not its own, where it might be one of that ledger with a wrong id.
    """
    if row.kind == "transaction":
        return row.key not in chain.transactions
    if row.key not in chain.events:
        return True
    event = chain.events[row.key]
    return event["ledger"] != row.ledger and _is_whole(row, event)


def _is_whole(row: Held, item: Json) -> bool:
    return all(str(item.get(name)) == str(value) for name, value in json.loads(row.payload).items())


def _name(row: Held, chain: Chained) -> str:
    """Give the key of the chain's item that a row holds, also if its own key is a digest."""
    items = chain.transactions if row.kind == "transaction" else chain.events
    if row.key in items:
        return row.key
    payload = json.loads(row.payload)
    for key, item in items.items():
        known = [name for name in payload if name in item]  # getTransaction states more
        same = [name for name in known if str(payload[name]) == str(item[name])]
        if len(same) >= 5 and len(same) >= len(known) - 1:
            return key
    return row.key


def _build(
    setup: Setup,
    engine: Engine,
    chain: Chained,
    missing: set[tuple[str, str]],
    held: list[Held],
    gaps: set[int],
) -> None:
    """Index the chain without what is missing, ledger by ledger."""
    passphrase = source_of(setup.chain).network.passphrase
    open_stream(engine, setup.stream, LEDGERS.first)
    for ledger in (ledger for ledger in _each(LEDGERS) if ledger not in gaps):
        events, transactions = (
            [
                *_decoded(items, kind, missing, ledger, of),
                *(
                    Malformed(r.payload, r.error)
                    for r in held
                    if (r.kind, r.ledger) == (kind, ledger)
                ),
            ]
            for kind, items, of in (
                ("event", chain.events, Event),
                ("transaction", chain.transactions, Transaction),
            )
        )
        here = LedgerRange(ledger, ledger)
        batch = make_rows(here, events, transactions, passphrase, event_filter=setup.event_filter)
        upsert_batch(engine, batch, setup.stream.name)


def _decoded(
    items: dict[str, Json], kind: str, missing: set[tuple[str, str]], ledger: int, of: type
) -> Iterator[Any]:
    decode = Items(of).decode
    for key, item in items.items():
        if item["ledger"] == ledger and (kind, key) not in missing:
            yield from decode([msgspec.Raw(msgspec.json.encode(item))])
