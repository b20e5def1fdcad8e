"""A stream that was forgotten leaves the database as if it had never been, and others whole."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LedgerRange, split
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.calls import ContractCallRow
from sorobanflow.rows.executables import ContractAnswerRow, ContractRow, contract_rows
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.rows.state_rows import TokenRow
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.sources.filters import EventFilter
from sorobanflow.store.answers import store_answers
from sorobanflow.store.archives import Archived, begin_archive, finish_archive, mark_dropped
from sorobanflow.store.coverage import Stream, open_stream, pin_network, read_coverage, record_gap
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import driver_connection, open_engine
from sorobanflow.store.forget import forget_stream, survey_stream
from sorobanflow.store.live_streams import Health, take_over, update_health
from sorobanflow.store.needed import Streams
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.removal import remove_rows
from sorobanflow.store.tables import metadata
from sorobanflow.store.upsert import upsert_batch, write_rows
from tests.integration.index_whole import objects_of
from tests.integration.test_filtered_ledgers import GENERATED
from tests.ledgers import generated

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]

#: It selects most of what others select, and more; the others select things of their own.
FORGOTTEN = GENERATED["contract and topic"]


class _Run(NamedTuple):
    """Ledgers that a stream indexes; `event_filter` None: everything."""

    event_filter: EventFilter | None
    first: int
    last: int

    @property
    def stream(self) -> Stream:
        return Stream.of_filter(self.event_filter and self.event_filter.canonical_json)


OWN = _Run(FORGOTTEN, 3, 23)
OTHERS = (
    _Run(None, 1, 5),
    _Run(None, 9, 10),
    _Run(GENERATED["rare contract"], 4, 24),
    _Run(GENERATED["name"], 8, 14),
    _Run(GENERATED["exact topics"], 13, 17),
)
NAME = OWN.stream.name
_numbers = count(1)


@cache
def _rows(run: _Run) -> list[BatchRows]:
    return [_batch(run, part) for part in split([LedgerRange(run.first, run.last)], 4)]


def _batch(run: _Run, part: LedgerRange) -> BatchRows:
    """Make the rows of whole ledgers, with a contract call of each transaction."""
    passphrase, objects = generated().network.passphrase, objects_of(generated(), part)
    rows = make_rows(part, [], [], passphrase, objects=objects, event_filter=run.event_filter)
    rows.contract_calls = [*map(_call, rows.transactions)]
    return rows


def _call(transaction: TransactionRow) -> ContractCallRow:
    fields = dict.fromkeys(ContractCallRow._fields) | transaction._asdict()
    fields |= {"tx_hash": transaction.hash, "call_index": 0, "depth": 0}
    fields |= {"function": "f", "returned": False}
    return ContractCallRow(**{name: fields[name] for name in ContractCallRow._fields})


def _index(engine: Engine, runs: Sequence[_Run]) -> None:
    pin_network(engine, generated().network.passphrase)
    for run in runs:
        open_stream(engine, run.stream, run.first)
        for rows in _rows(run):
            upsert_batch(engine, rows, run.stream.name)


@pytest.fixture
def another_database(postgres: EmbeddedPostgres, migrated: str) -> Iterator[Engine]:
    name = f"forget_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}" STRATEGY file_copy')
    with open_engine(postgres.url_of(name), PoolSettings(max_idle=1)) as engine:
        yield engine
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def without(another_database: Engine, checksums: Checksums) -> dict[str, tuple[int, str]]:
    """What the database holds where the stream never was."""
    _index(another_database, OTHERS)
    return checksums(another_database)


def _do(engine: Engine, statement: str, **values: object) -> list[Any]:
    with engine.begin() as connection:
        done = connection.execute(text(statement), values)
        return [tuple(row) for row in done] if done.returns_rows else []


def _totals(parts: Sequence[Any]) -> dict[str, int]:
    names = {name for part in parts for name in part.rows}
    return {name: sum(part.rows.get(name, 0) for part in parts) for name in names}


@pytest.mark.parametrize("position", [0, len(OTHERS)], ids=["indexed first", "indexed last"])
def test_nothing_is_left_but_what_others_need(
    position: int, engine: Engine, without: dict[str, tuple[int, str]], checksums: Checksums
) -> None:
    _index(engine, [*OTHERS[:position], OWN, *OTHERS[position:]])
    record_gap(engine, NAME, LedgerRange(1, 2), "lost")
    take_over(engine, NAME, "a run")
    update_health(engine, NAME, lambda _: Health("unhealthy", *_do(engine, "SELECT now()")[0]))
    _do(engine, "INSERT INTO audited (stream) VALUES (:name)", name=NAME)
    before = checksums(engine)
    assert before != without
    surveyed = _totals([*survey_stream(engine, NAME, 60)])
    assert checksums(engine) == before
    parts = [*forget_stream(engine, NAME, 60)]
    assert checksums(engine) == without
    assert _do(engine, "SELECT stream FROM live_streams") == []
    assert _totals(parts) == surveyed
    assert [name for name, number in surveyed.items() if not number] == ["quarantine"]
    assert parts[0] == (LedgerRange(3, 5), {"quarantine": 0})  # `all` needs all of these


def test_each_chunk_holds_few_rows_and_goes_with_its_coverage(engine: Engine) -> None:
    _index(engine, [OWN])
    left = OWN.first
    for part in forget_stream(engine, NAME, 20):
        if part.ledgers is not None:
            assert part.ledgers.first == left
            assert part.rows["events"] + part.rows["transactions"] <= 20 or part.ledgers.size == 1
            left = part.ledgers.last + 1
            held = read_coverage(engine, NAME).covered
            assert held == (((left, OWN.last),) if left <= OWN.last else ())
    assert left == OWN.last + 1


def test_failure_at_any_statement_leaves_a_true_state_from_which_it_goes_on(
    engine: Engine, without: dict[str, tuple[int, str]], checksums: Checksums
) -> None:
    _index(engine, [*OTHERS, OWN])
    failures = 0
    for at in count(4):
        try:
            with _failing(engine, at):
                [*forget_stream(engine, NAME, 300)]
            break
        except OperationalError:
            failures += 1
        held = read_coverage(engine, NAME)
        assert held.indexed_from is None or held.covered == ((OWN.first, OWN.last),)
        assert _missing(engine, held.covered) == []
    assert failures > 20
    assert checksums(engine) == without


@contextmanager
def _failing(engine: Engine, at: int) -> Iterator[None]:
    """Have the statement with this number fail as if the connection was lost."""
    numbers = count(1)

    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN") and next(numbers) == at:
            raise OperationalError(statement, {}, Exception("the connection was lost"))

    event.listen(engine, "after_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "after_cursor_execute", fail)


def _missing(engine: Engine, covered: Sequence[LedgerRange]) -> list[str]:
    """Name the events of the forgotten stream that its coverage promises and that are not there."""
    stored = {row[0] for row in _do(engine, "SELECT id FROM events")}
    promised = [
        row.id
        for rows in _rows(OWN)
        for row in rows.events
        if any(part.holds(row.ledger) for part in covered)
    ]
    return [one for one in promised if one not in stored]


def test_rows_that_another_stream_is_writing_stay(
    engine: Engine, another_database: Engine, checksums: Checksums
) -> None:
    """The other's batch has begun, sees the ledgers and is not committed yet."""
    other = _Run(GENERATED["name"], 3, 23)
    _index(another_database, [other])
    _index(engine, [OWN])
    open_stream(engine, other.stream, other.first)
    forgetting = threading.Thread(target=lambda: [*forget_stream(engine, NAME)])
    with engine.begin() as connection:
        driver = driver_connection(connection)
        for rows in _rows(other):
            write_rows(connection, rows, other.stream.name)
        forgetting.start()
        _wait_for_lock(engine)
        driver.execute(
            "UPDATE coverage SET ledgers = '{[3,24)}' WHERE stream = %s", (other.stream.name,)
        )
    forgetting.join()
    assert checksums(engine) == checksums(another_database)


def test_other_streams_write_while_it_is_forgotten(
    engine: Engine, without: dict[str, tuple[int, str]], checksums: Checksums
) -> None:
    _index(engine, [OWN])
    writers = [threading.Thread(target=_index, args=(engine, [run])) for run in OTHERS[1:]]
    for writer in writers:
        writer.start()
    for _ in forget_stream(engine, NAME, 20):
        pass
    for writer in writers:
        writer.join()
    _index(engine, OTHERS[:1])
    assert checksums(engine) == without


def _wait_for_lock(engine: Engine) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'"
    while _do(engine, waiting) == [(0,)]:
        pass


def test_run_of_the_stream_itself_is_noticed(engine: Engine) -> None:
    _index(engine, [OWN])
    parts = forget_stream(engine, NAME, 20)
    next(parts)
    upsert_batch(engine, BatchRows(LedgerRange(24, 24)), NAME)
    with pytest.raises(ConfigurationError, match=f"a run of stream {NAME} is at work .*24.* end"):
        next(parts)


def test_items_in_quarantine_go_or_pass_to_another_stream_with_their_ledgers_rows(
    engine: Engine,
) -> None:
    other = OTHERS[2]  # from ledger 4 on
    _index(engine, [OTHERS[0], OWN, other])
    of_ledgers = "SELECT ledger, count(*) FROM events WHERE ledger IN (3, 5, 7, 8) GROUP BY 1"
    before = dict(_do(engine, of_ledgers))
    _quarantine(engine, OWN, 3, 5, 7)
    _do(engine, "UPDATE coverage SET ledgers = '{[1,3), [5,6)}' WHERE stream = 'all'")
    [*forget_stream(engine, NAME)]
    items = _do(engine, "SELECT ledger, stream FROM quarantine ORDER BY 1")
    assert items == [(5, "all"), (7, other.stream.name)]
    after = dict(_do(engine, of_ledgers))
    assert {number: after.get(number, 0) for number in (5, 7)} == {5: before[5], 7: before[7]}
    assert after.get(8, 0) < before[8]


def _quarantine(engine: Engine, run: _Run, *numbers: int) -> None:
    for ledger in numbers:
        rows = BatchRows(LedgerRange(ledger, ledger))
        rows.quarantine = [QuarantineRow("event", f"{ledger}", ledger, "{}", "DecodeError", "bad")]
        upsert_batch(engine, rows, run.stream.name)


def test_events_without_a_contract_go_and_tokens_of_which_nothing_is_left(engine: Engine) -> None:
    own, other = _Run(GENERATED["everything"], 5, 5), _Run(GENERATED["rare contract"], 5, 5)
    for run in (own, other):
        open_stream(engine, run.stream)
    rows = _batch(own, LedgerRange(5, 5))
    first, *rest = rows.events
    rows.events = [first._replace(contract_id=None), *rest]
    rows.tokens.append(TokenRow("C1", None))  # of no row that goes
    rows.contracts = [*contract_rows(rest, ()), ContractRow("C1")]
    answers = [ContractAnswerRow(one.contract_id, 1, None, 2) for one in rows.contracts]
    upsert_batch(engine, rows, own.stream.name)
    upsert_batch(engine, BatchRows(LedgerRange(5, 5)), other.stream.name)
    store_answers(engine, [], answers, 5)
    [*forget_stream(engine, own.stream.name)]
    for table in ("events", "token_operations", "ledgers"):
        assert _do(engine, f"SELECT count(*) FROM {table}") == [(0,)]
    for table in ("tokens", "contracts", "contract_answers"):
        assert _do(engine, f"SELECT contract_id FROM {table}") == [("C1",)]


@pytest.mark.parametrize("stored", ['{"topics": [["AAAAAA=="]], "x": 1}', '{"topics": [["AAAA"]]}'])
def test_filter_that_cannot_be_read_keeps_all_rows_of_its_ledgers(
    stored: str, engine: Engine
) -> None:
    _index(engine, [OWN])
    open_stream(engine, Stream("filter-odd", stored))
    _do(engine, "UPDATE coverage SET ledgers = '{[1,30)}' WHERE stream = 'filter-odd'")
    before = _do(engine, "SELECT count(*) FROM events")
    assert [part.ledgers for part in forget_stream(engine, NAME)] == [(3, 23), None]
    assert _do(engine, "SELECT count(*) FROM events") == before


def test_stream_of_everything_goes_last_and_with_everything(engine: Engine) -> None:
    _index(engine, OTHERS[:3])
    others = OTHERS[2].stream.name
    with pytest.raises(ConfigurationError, match=f"all cannot be forgotten .*first: {others}$"):
        next(forget_stream(engine, "all"))
    [*forget_stream(engine, others)]
    _quarantine(engine, OTHERS[0], 3)
    _drop(engine, LedgerRange(1, 2), LedgerRange(20, 21))  # the latter were the other's
    surveyed = _totals([*survey_stream(engine, "all")])
    assert _totals([*forget_stream(engine, "all", 200)]) == surveyed
    assert surveyed["account_entries"] > 0
    assert _filled(engine) == ["network"]


def _drop(engine: Engine, *parts: LedgerRange) -> None:
    """Archive and drop, but for the rows: the run was killed."""
    for part in parts:
        _archive(engine, part)
        assert mark_dropped(engine, part, ["events"])


def _archive(engine: Engine, part: LedgerRange) -> None:
    """Record a file that was never written."""
    begun_at = begin_archive(engine, "events", part, "/events")
    finish_archive(engine, Archived("events", part, "/events", 1, 1, "00"), begun_at)


def _filled(engine: Engine) -> list[str]:
    return [
        table.fullname
        for table in metadata.sorted_tables
        if _do(engine, f"SELECT count(*) FROM {table.fullname}") != [(0,)]
    ]


def test_filter_that_is_the_last_stream_goes_with_everything(engine: Engine) -> None:
    _index(engine, [OWN])
    _drop(engine, LedgerRange(1, 9))
    surveyed = _totals([*survey_stream(engine, NAME)])
    assert _totals([*forget_stream(engine, NAME)]) == surveyed
    assert _filled(engine) == ["network"]


def test_stream_of_everything_is_kept_for_one_that_was_opened_meanwhile(engine: Engine) -> None:
    _index(engine, [OTHERS[0]])
    parts = forget_stream(engine, "all", 20)
    next(parts)
    open_stream(engine, OWN.stream)
    with pytest.raises(ConfigurationError, match=f"all cannot be forgotten .*first: {NAME}$"):
        next(parts)


def test_dropped_ledgers_stay_as_they_are_and_files_that_hold_more_are_unknown(
    engine: Engine,
) -> None:
    _index(engine, [_Run(None, 18, 24), OWN])
    _drop(engine, LedgerRange(1, 9))
    _archive(engine, LedgerRange(10, 17))
    _archive(engine, LedgerRange(18, 24))  # no row of these goes: `all` needs them
    _do(engine, "DELETE FROM stored.events WHERE ledger < 10")
    of_ledgers = "SELECT sequence, event_count FROM ledgers WHERE sequence < 10 ORDER BY 1"
    before = _do(engine, of_ledgers)
    assert sum(number for _, number in before) > 0
    [*forget_stream(engine, NAME)]
    assert _do(engine, of_ledgers) == before
    assert _do(engine, "SELECT first_ledger FROM archives ORDER BY 1") == [(1,), (18,)]
    assert _do(engine, "SELECT first_ledger, last_ledger FROM dropped") == [(1, 9)]
    assert _do(engine, "SELECT count(*) FROM events WHERE ledger BETWEEN 10 AND 17") == [(0,)]


def test_ledgers_that_are_dropped_before_their_turn_stay_as_they_are(engine: Engine) -> None:
    _index(engine, [OWN])
    of_ledgers = "SELECT sequence, event_count FROM ledgers WHERE sequence < 13 ORDER BY 1"
    before = [row for row in _do(engine, of_ledgers) if row[0] in range(5, 10)]
    _do(engine, "DELETE FROM stored.events WHERE ledger = 9")
    with engine.begin() as connection:
        streams = Streams.read(connection, NAME)._replace(dropped=(LedgerRange(5, 9),))
        remove_rows(connection, LedgerRange(3, 12), streams)
    assert _do(engine, of_ledgers) == before
    assert _do(engine, "SELECT min(ledger), max(ledger) FROM events WHERE ledger < 13") == [(5, 8)]


def test_stream_that_is_not_there_is_refused_with_those_that_are(engine: Engine) -> None:
    _index(engine, [OWN])
    with pytest.raises(ConfigurationError, match=f"no stream 'filter-x'; there are: {NAME}$"):
        next(survey_stream(engine, "filter-x"))


def test_user_who_may_not_remove_the_stream_is_told_so_before_anything_goes(engine: Engine) -> None:
    _index(engine, [OWN])
    _do(engine, "CREATE ROLE forgets_nothing NOLOGIN")
    try:
        with engine.begin() as connection:
            connection.execute(
                text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO forgets_nothing")
            )
        limited = engine.execution_options(more_settings="SET LOCAL ROLE forgets_nothing;")
        with pytest.raises(ConfigurationError, match="SOROBANFLOW_OWNER_URL"):
            next(forget_stream(limited, NAME))
    finally:
        _do(engine, "DROP OWNED BY forgets_nothing")
        _do(engine, "DROP ROLE forgets_nothing")
