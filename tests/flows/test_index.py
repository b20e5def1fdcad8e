"""The index flow: real Prefect, real HTTP, real PostgreSQL, real ledgers."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from sqlalchemy import Engine, text

from flows.harness.outcome import IncompleteError
from flows.index import index
from sorobanflow.devnet import (
    Chain,
    DevnetServer,
    Generator,
    ListedLedgers,
    Recording,
    parse_faults,
)
from sorobanflow.errors import (
    ConfigurationError,
    LedgerOutsideRetentionError,
    MassFailureError,
    StalledError,
    WrongNetworkError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.coverage import Coverage, read_coverage
from sorobanflow.store.tables import STATE_TABLES
from tests.flows.load_balancer import balanced
from tests.flows.tomorrow import of_tomorrow
from tests.ledgers import generated
from tests.table_names import fullnames

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
Index = Callable[..., RunSummary]


def _counts(engine: Engine) -> dict[str, int]:
    queries = {
        "transactions": "SELECT count(*) FROM transactions",
        "failed": "SELECT count(*) FROM transactions WHERE NOT successful",
        "operations": "SELECT count(*) FROM operations",
        "events": "SELECT count(*) FROM events",
    }
    with engine.begin() as connection:
        return {
            name: connection.execute(text(query)).scalar_one() for name, query in queries.items()
        }


def _scalar(engine: Engine, query: str) -> Any:
    with engine.begin() as connection:
        return connection.execute(text(query)).scalar_one()


def test_second_run_indexes_only_what_is_new(
    serve: Serve, run_index: Index, engine: Engine, checksums: Checksums
) -> None:
    chain = Chain(generated(), closed=30)
    server = serve(chain)
    assert run_index(server, start_ledger="oldest").written == [(1, 30)]
    before = checksums(engine)
    assert run_index(server).written == []
    assert checksums(engine) == before
    chain.close(4)
    assert run_index(server).written == [(31, 34)]


def test_batch_that_is_held_up_lets_one_more_be_stored(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    stored: list[tuple[LedgerRange, ...]] = []

    def hold_the_first(held: threading.Event) -> None:
        insert = "INSERT INTO ledgers VALUES (1, now(), 0, 0)"
        with engine.connect() as connection:  # whoever stores ledger 1 waits for this one's end
            connection.execute(text(insert))
            held.set()
            for _ in range(200):
                if read_coverage(engine, "all").covered:
                    break
                time.sleep(0.05)
            time.sleep(1)  # for what must not come
            stored.append(read_coverage(engine, "all").covered)
            connection.rollback()

    server, held = serve(Chain(generated(), closed=60)), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold_the_first, held)
        assert held.wait(10)
        summary = run_index(server, start_ledger="oldest", batch_size=100)
        holding.result()
    ((second,),) = stored
    assert (second.first > 1, second.size < 40) == (True, True)
    assert summary.written == [(1, 60)]
    assert read_coverage(engine, "all").covered == ((1, 60),)
    assert _scalar(engine, "SELECT count(*) FROM events") == summary.rows["events"]


def test_two_halves_give_the_same_database_as_one_run(
    serve: Serve, run_index: Index, engine: Engine, checksums: Checksums
) -> None:
    chain = Chain(generated(), closed=40)
    server = serve(chain)
    run_index(server, start_ledger=21)
    run_index(server, start_ledger=1, batch_size=100, max_workers=3)
    halves = checksums(engine)
    with engine.begin() as connection:
        names = fullnames(name for name in halves if name != "network")
        connection.execute(text(f"TRUNCATE {names}"))
    run_index(server, start_ledger=1)
    assert checksums(engine) == halves


def test_follow_indexes_ledgers_as_they_close(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    server = serve(Chain(generated(), closed=5, close_every_s=0.5))
    summary = run_index(server, start_ledger="oldest", follow_s=3)
    assert summary.ledgers >= 9
    assert read_coverage(engine, "all").covered == ((1, summary.ledgers),)
    # The Wasms of contracts were asked for; what was stored with the ledgers is read, too.
    read = "SELECT count(*) FROM contract_specs WHERE problems = '[]'"
    assert _scalar(engine, read) >= 2
    assert _scalar(engine, "SELECT count(*) FROM contract_wasms WHERE source = 'ledgers'") > 0


@pytest.mark.usefixtures("new_database")
def test_first_run_starts_a_little_behind_the_tip(serve: Serve, run_index: Index) -> None:
    server = serve(Chain(generated(transactions_per_ledger=1), closed=300))
    assert run_index(server).written == [(180, 300)]


def test_empty_stretch_and_a_ledger_of_10_001_events(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    big = Generator(seed=7, first=25_001, transactions_per_ledger=73, events_per_transaction=137)
    ledgers = [big.ledger(25_001)]
    server = serve(Chain(ListedLedgers(ledgers, 1, 25_002, big.network)))
    summary = run_index(server, start_ledger="oldest")
    assert summary.written == [(1, 25_002)]
    assert _counts(engine)["events"] == 10_001
    assert _counts(engine)["transactions"] == 73


def test_filter_stores_matching_events_and_their_transactions_only(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    server = serve(Chain(generated(), closed=20))
    run_index(server, start_ledger="oldest")
    query = "SELECT contract_id FROM events GROUP BY 1 ORDER BY count(*), 1 LIMIT 1"
    contract = _scalar(engine, query)
    expected = [
        _scalar(engine, f"SELECT count({what}) FROM events WHERE contract_id = '{contract}'")
        for what in ("*", "DISTINCT tx_hash")
    ]
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE stored.events, stored.transactions, stored.operations, "
                "stored.token_operations"
            )
        )
    for plan in ("hashes", "ledgers", "auto"):
        summary = run_index(server, start_ledger="oldest", contract_ids=[contract], fetch_plan=plan)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM coverage WHERE stream <> 'all'"))
        assert [summary.rows["events"], summary.rows["transactions"]] == expected
        assert [_counts(engine)["events"], _counts(engine)["transactions"]] == expected


def test_filtered_stream_has_a_coverage_of_its_own(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    server = serve(Chain(generated(), closed=5))
    run_index(server, start_ledger="oldest", topics=[["*", "**"]])
    assert read_coverage(engine, "all").covered == ()
    assert _scalar(engine, "SELECT filter FROM coverage") == {"topics": [["*", "**"]]}
    for table in STATE_TABLES:  # of which a filter does not show all changes
        assert _scalar(engine, f"SELECT count(*) FROM {table.name}") == 0
    assert run_index(server, topics=[["*", "**"]]).written == []


def test_token_that_no_ledger_describes_is_named_by_the_node_and_costs_no_run(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    refused_once = parse_faults("getLedgerEntries:1=-32601")
    server = serve(Chain(generated(), closed=5), faults=refused_once)
    named = "SELECT count(DISTINCT contract_id) FROM transfers WHERE symbol = 'DVT'"
    assert run_index(server, start_ledger="oldest").complete
    assert _scalar(engine, named) == 0
    assert run_index(server).complete
    assert _scalar(engine, named) == 1
    asked = server.calls["getLedgerEntries"]
    run_index(server)
    assert server.calls["getLedgerEntries"] == asked


def test_node_without_batches_is_asked_one_by_one(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    faults = parse_faults("batch:*=refuse_batches")
    server = serve(Chain(generated(), closed=10), faults=faults)
    run_index(server, start_ledger="oldest", topics=[["*", "**"]], fetch_plan="hashes")
    transactions = _counts(engine)["transactions"]
    assert transactions == _scalar(engine, "SELECT count(DISTINCT tx_hash) FROM events")
    assert server.calls["getTransaction"] >= transactions


def test_faults_of_the_node_change_nothing_in_the_database(
    serve: Serve, run_index: Index, engine: Engine, checksums: Checksums
) -> None:
    schedule = (
        "getEvents:2=503,getEvents:4=truncate,getTransactions:1=drop,getTransactions:3=429/0,"
        "getTransactions:5=-32603,getHealth:2=html,getEvents:6=behind/3"
    )
    faulty = serve(Chain(generated(), closed=30), faults=parse_faults(schedule))
    summary = run_index(faulty, start_ledger="oldest", batch_size=50)
    assert summary.stats.retries >= 5
    with_faults = checksums(engine)
    with engine.begin() as connection:
        names = fullnames(name for name in with_faults if name != "network")
        connection.execute(text(f"TRUNCATE {names}"))
    run_index(serve(Chain(generated(), closed=30)), start_ledger="oldest")
    assert checksums(engine) == with_faults


def test_start_below_the_oldest_ledger_is_refused_with_both_numbers(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    server = serve(Chain(generated(first=100), closed=20))
    with pytest.raises(LedgerOutsideRetentionError, match=r"ledger 50 .* oldest ledger 100"):
        run_index(server, start_ledger=50)
    assert read_coverage(engine, "all") == Coverage()


def test_refused_start_leaves_the_running_stream_alone(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    chain = Chain(generated(first=100), closed=20)
    server = serve(chain)
    run_index(server, start_ledger=110)
    with pytest.raises(LedgerOutsideRetentionError):
        run_index(server, start_ledger=50)
    chain.close(2)
    assert run_index(server).written == [(120, 121)]
    assert read_coverage(engine, "all").gaps == ()


def test_outage_longer_than_retention_leaves_a_gap_and_goes_on(
    serve: Serve, save_blocks: Callable[[str], dict[str, str]], engine: Engine
) -> None:
    chain = Chain(generated(), closed=20, retention=20)
    blocks = save_blocks(serve(chain).url)
    index(**blocks, start_ledger="oldest")
    chain.close(50)
    state = index(**blocks, return_state=True)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((1, 20), (51, 70)), ((21, 50),))
    assert state.name == "Incomplete"
    assert index(**blocks, return_state=True).name == "Completed"


def test_replicas_that_disagree_about_the_oldest_ledger_end_in_a_gap(
    serve: Serve, save_blocks: Callable[[str], dict[str, str]], engine: Engine
) -> None:
    long, short = (
        serve(Chain(generated(), closed=30)),
        serve(Chain(generated(), closed=30, retention=11)),
    )
    with balanced({"getHealth": long.url}, short.url) as url:
        index(**save_blocks(url), start_ledger=1, return_state=True)
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((20, 30),), ((1, 19),))


def test_known_gap_is_indexed_when_a_node_has_it_after_all(
    serve: Serve, save_blocks: Callable[[str], dict[str, str]], engine: Engine
) -> None:
    long, short = (
        serve(Chain(generated(), closed=30)),
        serve(Chain(generated(), closed=30, retention=11)),
    )
    index(**save_blocks(short.url), start_ledger=1, allow_gap=True, return_state=True)
    assert read_coverage(engine, "all").gaps == ((1, 19),)
    calls = short.calls["getEvents"]
    with balanced({"getHealth": long.url}, short.url) as url:
        assert index(**save_blocks(url), return_state=True).name == "Completed"
    assert short.calls["getEvents"] == calls + 1  # one look, without waiting
    assert read_coverage(engine, "all").gaps == ((1, 19),)
    assert index(**save_blocks(long.url), return_state=True).name == "Completed"
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((1, 30),), ())


def test_node_that_starts_over_is_not_taken_for_no_news(serve: Serve, run_index: Index) -> None:
    run_index(serve(Chain(generated(transactions_per_ledger=1), closed=200)))
    with pytest.raises(StalledError, match=r"ledger 200 is not on the node yet; .* 5"):
        run_index(serve(Chain(generated(), closed=5)), stall_s=5)


def test_start_below_the_oldest_ledger_becomes_a_gap_when_allowed(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    server = serve(Chain(generated(first=100), closed=20))
    with pytest.raises(IncompleteError) as caught:
        run_index(server, start_ledger=50, allow_gap=True)
    assert caught.value.summary.gaps == [(50, 99)]
    coverage = read_coverage(engine, "all")
    assert (coverage.covered, coverage.gaps) == (((100, 119),), ((50, 99),))
    assert run_index(server, allow_gap=True).gaps == []


def test_another_network_is_refused(
    serve: Serve, run_index: Index, recording_path: Callable[[str], Path]
) -> None:
    run_index(serve(Chain(generated(), closed=2)), start_ledger="oldest")
    pubnet = serve(Chain(Recording(recording_path("pubnet-63800060"))))
    with pytest.raises(WrongNetworkError, match=r"Sorobanflow Devnet.*Public Global"):
        run_index(pubnet, start_ledger="oldest")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"start_ledger": 0}, "greater than or equal to 1"),
        ({"start_ledger": "newest"}, "'oldest' or 'latest'"),
        ({"follow_s": -1}, "greater than or equal to 0"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"fetch_plan": "fast"}, "'auto', 'ledgers' or 'hashes'"),
    ],
)
def test_bad_parameter_is_refused_before_anything_starts(
    parameters: dict[str, Any], message: str, serve: Serve, run_index: Index
) -> None:
    server = serve(Chain(generated(), closed=1))
    with pytest.raises(ParameterTypeError, match=message):
        run_index(server, **parameters)
    assert sum(server.calls.values()) == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"contract_ids": ["CABC"]}, "not a contract id: 'CABC'"),
        ({"topics": [["pool.swap"]]}, "not a topic segment: 'pool.swap'"),
        ({"fetch_plan": "hashes"}, "without a filter every transaction is wanted"),
        ({"rpc": "nobody"}, "the stellar-rpc block 'nobody' is not saved"),
    ],
)
def test_bad_configuration_is_refused_before_the_node_is_asked(
    parameters: dict[str, Any],
    message: str,
    serve: Serve,
    save_blocks: Callable[[str], dict[str, str]],
) -> None:
    server = serve(Chain(generated(), closed=1))
    with pytest.raises(ConfigurationError, match=message):
        index(**(save_blocks(server.url) | parameters))
    assert sum(server.calls.values()) == 0


def test_start_above_the_tip_is_refused_with_the_nodes_range(
    serve: Serve, run_index: Index
) -> None:
    server = serve(Chain(generated(), closed=9))
    with pytest.raises(ConfigurationError, match="10 is above the source's newest ledger 9"):
        run_index(server, start_ledger=10)


def test_batches_hold_about_as_many_items_as_asked(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    uniform = Generator(seed=15, transactions_per_ledger=10, events_per_transaction=5)
    server = serve(Chain(uniform, closed=60))
    run_index(server, start_ledger="oldest", batch_size=500)
    query = "SELECT xmin::text::int AS batch, count(*) FROM stored.events GROUP BY 1 ORDER BY 1"
    with engine.begin() as connection:
        sizes = [count for _, count in connection.execute(text(query))]
    assert sum(sizes) == 3000
    first, *others = sizes
    assert first == 800  # of 16 ledgers, before anything is known of what they hold
    assert max(others) == 400  # 80 transactions beside them
    assert LedgerRange(1, 60) in read_coverage(engine, "all").covered


def test_batch_stays_bounded_where_ledgers_turn_dense(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    dense = Generator(seed=19, first=501, transactions_per_ledger=10, events_per_transaction=100)
    ledgers = [dense.ledger(number) for number in range(501, 509)]
    server = serve(Chain(ListedLedgers(ledgers, 1, 508, dense.network)))
    assert run_index(server, start_ledger="oldest", batch_size=200).written == [(1, 508)]
    assert _counts(engine)["events"] == 8_000
    query = "SELECT count(*) FROM stored.events GROUP BY xmin ORDER BY min(ledger)"
    with engine.begin() as connection:
        sizes = [size for (size,) in connection.execute(text(query))]
    assert max(sizes) <= 2000  # most events in one go, and the ledger that they end in


def test_decoder_that_fails_often_stops_the_run_before_it_writes(
    serve: Serve, run_index: Index, engine: Engine
) -> None:
    source = generated()
    ledgers = [source.ledger(number) for number in range(1, 13)]
    broken = [of_tomorrow(one) for one in ledgers]
    server = serve(Chain(ListedLedgers(broken, 1, 12, source.network)))
    with pytest.raises(
        MassFailureError, match=r"120 of 120 transactions of ledgers 1-12 .*TransactionResult"
    ):
        run_index(server, start_ledger="oldest")
    assert _counts(engine) == {"transactions": 0, "failed": 0, "operations": 0, "events": 0}
    assert _scalar(engine, "SELECT count(*) FROM quarantine") == 0
    assert read_coverage(engine, "all").covered == ()
