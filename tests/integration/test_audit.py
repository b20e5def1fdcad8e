"""What an audit reads: a real node's answers over HTTP against a real PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.audit.agreement import Compared, compare, fetch_rows
from sorobanflow.audit.shapes import Recognition, recognize
from sorobanflow.audit.stored import quarantined
from sorobanflow.audit.unlike import Difference
from sorobanflow.devnet import Chain, DevnetServer, Generator, parse_faults
from sorobanflow.errors import ConfigurationError, DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.retention import seconds_per_ledger
from sorobanflow.rows.quarantine import quarantine_row
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.claims import Claims, read_claims
from sorobanflow.store.coverage import Stream
from sorobanflow.store.upsert import upsert_batch
from sorobanflow.toid import Position
from tests.integration.index_all import source_of
from tests.ledgers import generated
from tests.unit.wire_items import (
    ALICE,
    BOB,
    TOKEN,
    address,
    make_event,
    make_transaction,
    scval,
    symbol,
)

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
LEDGERS = LedgerRange(1, 12)
SOURCE = generated(transactions_per_ledger=3)
TRANSFERS = EventFilter(topics=((scval(symbol("transfer")), "*", "**"),))


@pytest.fixture
def template(indexed: Callable[..., str]) -> str:
    return indexed(SOURCE, LEDGERS.last)


@pytest.fixture(scope="module")
def client() -> Iterator[RpcClient]:
    chain = Chain(SOURCE, closed=LEDGERS.last)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        yield client


def _all(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def _compare(
    client: RpcClient,
    engine: Engine,
    event_filter: EventFilter | None = None,
    ledgers: LedgerRange = LEDGERS,
) -> Compared:
    source = source_of(client, event_filter)
    claims = read_claims(engine, [ledgers]) if source.event_filter is None else Claims()
    return compare(engine, source, ledgers, claims)


def _differences(
    client: RpcClient, engine: Engine, event_filter: EventFilter | None = None
) -> list[Difference]:
    """The differences, without their examples."""
    found = _compare(client, engine, event_filter).differences
    return [one._replace(examples=()) for one in found]


def test_equal_ledgers_do_not_differ(client: RpcClient, engine: Engine) -> None:
    assert _all(engine, "SELECT count(*) > 50 FROM events") == [(True,)]
    assert _compare(client, engine) == (12, (), ())


def test_differences_are_counted_and_named_with_few_and_short_values(
    client: RpcClient, engine: Engine
) -> None:
    events = _all(engine, "DELETE FROM events WHERE ledger = 3 RETURNING id")
    [(tx_hash, fee_bid, memo)] = _all(
        engine,
        "SELECT hash, fee_bid, memo FROM transactions WHERE ledger = 5 AND memo_type <> 'none' "
        "ORDER BY hash LIMIT 1",
    )
    _run(
        engine,
        "UPDATE transactions SET fee_bid = 7, memo = E'\\x1b' || repeat('x', 1000) "
        "WHERE hash = :hash",
        hash=tx_hash,
    )
    counts, changed = _compare(client, engine).differences
    assert counts[:5] == (3, "events", len(events), 0, 0)
    assert counts.examples == tuple(sorted(event_id for (event_id,) in events)[:3])
    assert changed[:5] == (5, "transactions", 0, 0, 1)
    shown = f"memo is \N{REPLACEMENT CHARACTER}{'x' * 39}, not {memo[:40]}"
    assert changed.examples == (f"{tx_hash}: fee_bid is 7, not {fee_bid}, {shown}",)


def test_what_is_in_quarantine_counts_as_stored(client: RpcClient, engine: Engine) -> None:
    query = "DELETE FROM events WHERE id = (SELECT max(id) FROM events) RETURNING id, ledger"
    [(event_id, ledger)] = _all(engine, query)
    assert {one.ledger for one in _differences(client, engine)} == {ledger}
    batch = make_rows(LEDGERS, [], [], "")
    event = make_event([], id=event_id, ledger=ledger)
    batch.quarantine = [quarantine_row("event", event, ledger, DecodeError("bug"))]
    upsert_batch(engine, batch, "all")
    assert _differences(client, engine) == []
    (one,) = quarantined(engine, LEDGERS, "all")
    assert one[:4] == ("event", "DecodeError", 1, (ledger, ledger))


def test_item_that_cannot_be_decoded_now_condemns_no_stored_row(
    client: RpcClient, engine: Engine, checksums: Checksums
) -> None:
    """Neither the audit nor a repair trusts a node that sends nonsense for what is stored."""
    chain = Chain(SOURCE, closed=LEDGERS.last)
    faults = parse_faults("getTransactions:*=other_envelope,getEvents:*=mistyped/value")
    before = checksums(engine)
    with DevnetServer(chain, faults=faults) as server, RpcClient(server.url) as bad:
        assert _compare(bad, engine) == (12, (), ())
        rows = fetch_rows(source_of(bad), LEDGERS)
        upsert_batch(engine, rows, "all", read_claims(engine, [LEDGERS]))
        after = checksums(engine)
        assert {name for name in after if after[name] != before[name]} == {"quarantine"}
        for table, key in (("events", "id"), ("transactions", "hash")):
            _run(engine, f"DELETE FROM {table} WHERE {key} IN (SELECT key FROM quarantine)")
        assert _compare(bad, engine) == (12, (), ())
        _run(engine, "DELETE FROM quarantine")
        found = _compare(bad, engine).differences
    assert [(one.table, one.missing, one.examples) for one in found] == [
        ("quarantine", 1, (f"{row.kind} {row.key}",)) for row in rows.quarantine
    ]


def test_node_without_classic_events_is_refused_where_they_are_stored(engine: Engine) -> None:
    """A repair from it would delete them."""
    silent = Generator(8, transactions_per_ledger=3)
    for sequence in range(LEDGERS.first, LEDGERS.last + 1):
        vars(silent.ledger(sequence))["events"] = ()
    chain = Chain(silent, closed=LEDGERS.last)
    with (
        DevnetServer(chain) as server,
        RpcClient(server.url) as client,
        pytest.raises(ConfigurationError, match=r"no fees as events in ledger 1, .*CLASSIC_EVENTS"),
    ):
        _compare(client, engine)


def test_token_that_is_not_listed_is_named_with_a_ledger_that_lists_it(
    client: RpcClient, engine: Engine
) -> None:
    [(gone,)] = _all(engine, "DELETE FROM tokens WHERE asset = 'native' RETURNING contract_id")
    _run(engine, "UPDATE tokens SET asset = NULL WHERE asset IS NOT NULL")
    found = _compare(client, engine).differences
    assert {one.table for one in found} == {"tokens"}
    assert f"{gone} native" in [name for one in found for name in one.examples]
    for one in found:
        rows = fetch_rows(source_of(client), LedgerRange(one.ledger, one.ledger))
        upsert_batch(engine, rows, "all")
    assert _differences(client, engine) == []


def test_filtered_stream_answers_for_its_own_events_only(client: RpcClient, engine: Engine) -> None:
    other = 'DELETE FROM events WHERE topics -> 0 <> \'{"symbol": "transfer"}\' RETURNING id'
    assert _all(engine, other)
    assert _differences(client, engine, TRANSFERS) == []
    deleted = _all(engine, "DELETE FROM events WHERE ledger = 6 RETURNING id")
    assert _differences(client, engine, TRANSFERS) == [(6, "events", len(deleted), 0, 0, (), 0)]


def test_filtered_stream_wants_the_transactions_of_its_events(
    client: RpcClient, engine: Engine
) -> None:
    own = 'SELECT tx_hash FROM events WHERE topics -> 0 = \'{"symbol": "transfer"}\''
    assert _all(engine, f"DELETE FROM transactions WHERE hash NOT IN ({own}) RETURNING hash")
    assert _differences(client, engine, TRANSFERS) == []
    query = f"DELETE FROM transactions WHERE hash = ({own} ORDER BY id LIMIT 1) RETURNING hash"
    [(tx_hash,)] = _all(engine, query)
    assert [one.examples for one in _compare(client, engine, TRANSFERS).differences] == [(tx_hash,)]


def test_trades_follow_their_transactions(client: RpcClient, engine: Engine) -> None:
    """Made up ones are surplus, also for a filter; those of a quarantined transaction count."""
    query = (
        "INSERT INTO stored.trades (closed_at, sold_amount, bought_amount, ledger, "
        "application_order, op_index, trade_index, tx_hash, buyer, sold_asset, bought_asset) "
        "SELECT closed_at, 1, 1, ledger, tx_index, 99, 0, tx_hash, 'G1', 'native', 'native' "
        'FROM stored.events WHERE topics -> 0 = \'{"symbol": "transfer"}\' LIMIT 1 '
        "RETURNING ledger, encode(tx_hash, 'hex')"
    )
    [(ledger, tx_hash)] = _all(engine, query)
    surplus = (ledger, "trades", 0, 1, 0, (f"{tx_hash} 99 0",), 0)
    assert _compare(client, engine, TRANSFERS).differences == (surplus,)
    assert _compare(client, engine).differences == (surplus,)
    batch = make_rows(LEDGERS, [], [], "")
    item = make_transaction(tx_hash=tx_hash, ledger=ledger)
    batch.quarantine = [quarantine_row("transaction", item, ledger, DecodeError("bug"))]
    upsert_batch(engine, batch, "all")
    assert _differences(client, engine) == []


def test_topics_are_read_as_the_node_reads_them(client: RpcClient, engine: Engine) -> None:
    # Of a contract that the node does not know: each row that the filter takes is surplus.
    rows = [[], [symbol("a")], [symbol("b"), {"u32": 2}], [symbol("c"), {"u32": 2}, {"u32": 3}]]
    for number, shown in enumerate(rows):
        _run(
            engine,
            "INSERT INTO stored.events (closed_at, ledger, tx_index, op_index, event_index, "
            "is_system, tx_hash, contract_id, topics, value) SELECT closed_at, ledger, tx_index, "
            "op_index, :number, is_system, tx_hash, :contract, CAST(:topics AS jsonb), value "
            "FROM (SELECT * FROM stored.events ORDER BY ledger, tx_index LIMIT 1) AS one",
            number=1000 + number,
            contract=TOKEN,
            topics=json.dumps(shown),
        )

    def taken(*topics: tuple[str, ...]) -> list[str]:
        (found,) = _compare(client, engine, EventFilter((TOKEN,), topics)).differences
        assert found.surplus == len(found.examples)
        return [example[-1] for example in found.examples]  # of the index

    of_u32 = scval({"u32": 2})
    assert taken(("*",)) == ["1"]
    assert taken(("*", "**")) == ["1", "2", "3"]
    assert taken(("*", of_u32)) == ["2"]
    assert taken(("*", of_u32, "**")) == ["2", "3"]
    assert taken((scval(symbol("b")), "**"), ("*", "*", scval({"u32": 3}))) == ["2", "3"]


def test_ledgers_that_the_node_lost_are_not_compared(engine: Engine) -> None:
    chain = Chain(SOURCE, closed=LEDGERS.last, retention=5)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        assert _compare(client, engine) == (5, (), ())
        assert _compare(client, engine, ledgers=LedgerRange(1, 7)) == (0, (), ())


def test_pace_is_measured_from_the_stored_ledgers(engine: Engine) -> None:
    assert seconds_per_ledger(engine) == 5.0
    _run(engine, "DELETE FROM ledgers WHERE sequence > 1")
    assert seconds_per_ledger(engine) is None


def test_shapes_are_those_of_events_that_are_no_token_operation(engine: Engine) -> None:
    _store(
        engine,
        _event(1000, 1, [symbol("deposit"), address(ALICE)], {"i128": "1"}),
        _event(1000, 2, [symbol("deposit"), address(BOB)], {"i128": "2"}),
        _event(1000, 3, [{"u32": 7}], "void"),
        _event(1000, 4, [], {"vec": []}),
        _event(1000, 5, [symbol("transfer"), address(ALICE), address(BOB)], {"i128": "1"}),
    )
    seen = _recognize(engine, 1000, 1000)
    assert (seen.shapes, seen.events, seen.new) == (3, 4, 3)
    assert [(one.shape, one.events) for one in seen.named] == [
        ("deposit(symbol, address) i128", 2),
        ("() vec", 1),
        ("(u32) void", 1),
    ]


def test_shape_is_new_once_and_a_ledger_counted_once(engine: Engine) -> None:
    _store(engine, _event(1000, 1, [symbol("a")]), _event(1003, 1, [symbol("b")]))
    assert _recognize(engine, 1000, 1001)[:3] == (1, 1, 1)
    assert _recognize(engine, 1000, 1001)[:3] == (1, 1, 0)
    _store(engine, _event(1000, 2, [symbol("late")]), _event(1004, 1, [symbol("a")]))
    again = _recognize(engine, 995, 1009)
    assert again[:3] == (2, 3, 1)
    assert [one.shape for one in again.named] == ["b(symbol) void"]


def test_shapes_of_streams_are_counted_apart(engine: Engine) -> None:
    _store(engine, _event(1000, 1, [symbol("a")]))
    assert recognize(engine, Stream(), None, [LEDGERS]).shapes > 1
    assert _recognize(engine, 1000, 1000)[:3] == (1, 1, 1)


def _event(ledger: int, index: int, topics: list[Any], value: Any = "void") -> Event:
    event_id = Position(ledger, 3, 1, index).event_id
    return make_event(topics, value, id=event_id, ledger=ledger)


def _store(engine: Engine, *events: Event) -> None:
    upsert_batch(engine, make_rows(LedgerRange(1000, 1009), events, [], "Test"), "all")


def _recognize(engine: Engine, first: int, last: int) -> Recognition:
    of_token = EventFilter((TOKEN,))
    return recognize(engine, Stream("of-token"), of_token, [LedgerRange(first, last)])
