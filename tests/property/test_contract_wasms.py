"""What a contract ran is never told wrongly, whatever of its history was seen."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

CONTRACT, HASHES = "C1", ("aa", "bb", "cc")
LEDGERS, TRANSACTIONS = range(1, 11), range(1, 4)
PLACES = [(ledger, tx) for ledger in LEDGERS for tx in TRANSACTIONS]
MAX_TX = 2147483646
Place = tuple[int, int]
Range = tuple[int, int, int, int, str, str]
CLEAR = """
TRUNCATE contract_executables, contract_answers, contract_data_entries, quarantine, coverage
"""


@dataclass(frozen=True)
class World:
    """A contract's whole history, and what of it was seen."""

    created: int  # place of its creation, by number
    changes: dict[int, int]  # by number of a place: the hash that it ends with
    twice: set[int]  # places that run another Wasm meanwhile
    writes: set[int]  # places that write to the instance's storage
    covered: set[int]  # ledgers that stream `all` holds
    old: set[int] = field(default_factory=set)  # of them, stored by an older release
    lost: set[int] = field(default_factory=set)  # places whose transaction is in quarantine
    answers: set[int] = field(default_factory=set)  # ledgers at whose end a node was asked

    def hashes(self, number: int) -> tuple[str | None, str | None]:
        """What it runs before a place, and after it."""
        if number < self.created:
            return None, None
        of_before = max((one for one in self.changes if self.created < one < number), default=None)
        before = HASHES[0 if of_before is None else self.changes[of_before]]
        if number == self.created:
            return None, before
        return before, HASHES[self.changes[number]] if number in self.changes else before

    def may_emit(self, number: int) -> set[str | None]:
        """The Wasms that events of a place may be of."""
        also = {"zz"} if number in self.twice and number >= self.created else set[str | None]()
        return ({*self.hashes(number)} - {None}) | also

    def modified(self, number: int) -> bool:
        """Whether the place changes the instance."""
        return number >= self.created and (
            number == self.created or number in self.changes.keys() | self.twice | self.writes
        )


WORLDS = st.builds(
    World,
    created=st.integers(0, 8),
    changes=st.dictionaries(st.integers(1, 29), st.integers(0, 2), max_size=4),
    twice=st.sets(st.integers(0, 29), max_size=2),
    writes=st.sets(st.integers(0, 29), max_size=4),
    covered=st.just(set(LEDGERS)) | st.sets(st.sampled_from(LEDGERS)),
    old=st.just(set[int]()) | st.sets(st.sampled_from(LEDGERS)),
    lost=st.just(set[int]()) | st.sets(st.integers(0, 29), max_size=2),
    answers=st.sets(st.sampled_from(LEDGERS), max_size=2),
)


def rows_of(world: World) -> tuple[list[Any], Any, list[Any]]:
    """The rows of its changes, its newest instance, and the answers of nodes."""
    executables, instance, answers = [], None, []
    for number, (ledger, tx) in enumerate(PLACES):
        if not world.modified(number) or ledger not in world.covered or number in world.lost:
            continue
        before, after = world.hashes(number)
        instance = ledger, tx, after
        is_update = number in world.twice or (number != world.created and before != after)
        if ledger not in world.old and (is_update or number == world.created):
            kind = "updated" if is_update else "created"
            executables.append((ledger, tx, kind, after, before))
    for asked in world.answers:
        until = [n for n, (ledger, _) in enumerate(PLACES) if ledger <= asked and world.modified(n)]
        if until:
            answers.append((PLACES[until[-1]][0], world.hashes(until[-1])[1], asked))
    return executables, instance, answers


def multirange(ledgers: set[int]) -> str:
    return "{" + ",".join(f"[{one},{one}]" for one in sorted(ledgers)) + "}"


def store(connection: Connection, world: World) -> None:
    executables, instance, answers = rows_of(world)
    driver: Any = connection.connection.driver_connection
    driver.execute(CLEAR)
    driver.execute(
        "INSERT INTO coverage (stream, ledgers, unknown_executables) VALUES ('all', %s, %s)",
        (multirange(world.covered), multirange(world.old)),
    )
    for ledger, tx, kind, after, before in executables:
        driver.execute(
            "INSERT INTO contract_executables VALUES (%s, %s, %s, 1, 0, %s, %s, %s)",
            (CONTRACT, ledger, tx, kind, after, before),
        )
    if instance:
        driver.execute(
            "INSERT INTO contract_data_entries "
            "(key_hash, contract_id, durability, key, deleted, ledger, tx_order, value) VALUES "
            "('ab', %s, 'persistent', '\"ledger_key_contract_instance\"', false, %s, %s, "
            "jsonb_build_object('contract_instance', jsonb_build_object('executable', "
            "jsonb_build_object('wasm', %s::text))))",
            (CONTRACT, *instance),
        )
    for answer in answers:
        driver.execute(
            "INSERT INTO contract_answers VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (CONTRACT, *answer),
        )
    for ledger in {PLACES[one][0] for one in world.lost} & world.covered:
        driver.execute(
            "INSERT INTO quarantine VALUES ('transaction', %s, %s, '', '', '')",
            (f"{ledger}", ledger),
        )


def ranges(connection: Connection) -> list[Range]:
    query = text("SELECT * FROM stored.wasms_of(:contract)")
    return [Range(row) for row in connection.execute(query, {"contract": CONTRACT})]


def of_event(found: list[Range], place: Place) -> list[str]:
    return [one[4] for one in found if one[:2] <= place <= one[2:4]]


def of_call(found: list[Range], place: Place) -> list[str]:
    ledger, tx = place
    return [one[4] for one in found if one[:2] <= place and (ledger, tx - 1) <= one[2:4]]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(world=WORLDS)
@example(world=World(0, {5: 1, 9: 0}, {12}, {3, 20}, set(LEDGERS), answers={7}))
@example(world=World(0, {20: 1}, set(), {2, 25}, {1, 2, 3, 9, 10}, old={9, 10}))
@example(world=World(4, {}, {4}, set(), set(LEDGERS)))
def test_a_place_has_no_wasm_but_the_one_that_ran(world: World, engine: Engine) -> None:
    with engine.begin() as connection:
        store(connection, world)
        found = ranges(connection)
        connection.rollback()
    assert found == sorted(found)
    for number, place in enumerate(PLACES):
        emitted, called = of_event(found, place), of_call(found, place)
        assert emitted in ([], [*world.may_emit(number)])
        before, _ = world.hashes(number)
        if number != world.created:  # nobody calls it in the transaction that creates it
            assert called in ([], [before])
        if world.covered == set(LEDGERS) and not world.old and not world.lost:
            assert emitted or len(world.may_emit(number)) != 1 or number in world.twice
            # Between two changes in successive transactions there is no place to tell of.
            crowded = {number - 1, number} <= world.changes.keys() | world.twice
            assert called or before is None or crowded
