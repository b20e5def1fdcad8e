"""Any SCVal comes back out of the tables as the bytes that went in."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from stellar_sdk import xdr

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.tables import metadata
from sorobanflow.store.upsert import upsert_batch
from tests.integration.test_hostile_values import data_meta, encode, raw_event, transaction
from tests.property.test_decode_scval import present_values
from tests.unit.state_items import PASSPHRASE

KEYS = "SELECT key, value FROM contract_data_entries"
EVENTS = "SELECT topics, value FROM events ORDER BY id"
#: Few examples with many values each: most of an example's time is its batch's transaction.
batched = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def test_values_come_back_as_the_bytes_that_went_in(engine: Engine) -> None:
    open_stream(engine, Stream())

    @batched
    @given(st.lists(present_values, min_size=8, max_size=60))
    def check(values: list[xdr.SCVal]) -> None:
        round_trip(engine, [value.to_xdr_bytes() for value in values])

    check()


def round_trip(engine: Engine, values: list[bytes]) -> None:
    """Send each value as a topic, an event's value, a key, and the value of another key."""
    pairs = dict(zip(values, [*values[1:], values[0]], strict=True))
    meta = data_meta([("persistent", key, value) for key, value in pairs.items()])
    events = [
        raw_event([topic, value], topic, number)
        for number, (topic, value) in enumerate(pairs.items())
    ]
    batch = make_rows(LedgerRange(1000, 1000), events, [transaction(meta)], PASSPHRASE)
    assert batch.quarantine == []
    with engine.begin() as connection:
        names = ", ".join(name for name in metadata.tables if name != "coverage")
        connection.execute(text(f"TRUNCATE {names}"))
    upsert_batch(engine, batch, "all")
    with engine.begin() as connection:
        data = [tuple(row) for row in connection.execute(text(KEYS))]
        rows = [tuple(row) for row in connection.execute(text(EVENTS))]
    assert {encode(key): encode(value) for key, value in data} == pairs
    assert len(data) == len(rows) == len(pairs)
    for (topics, value), (first, second) in zip(rows, pairs.items(), strict=True):
        assert ([encode(topic) for topic in topics], encode(value)) == ([first, second], first)
