import hashlib
import json

import pytest

from sorobanflow.errors import DecodeError
from sorobanflow.rows.quarantine import quarantine_row, stated_ledger
from sorobanflow.sources.items import Malformed
from tests.unit.wire_items import TX_HASH, make_event, make_transaction

ERROR = DecodeError("why")
EVENT_ID = "0000004294967308289-0000000002"


def test_quarantine_row_of_an_event() -> None:
    row = quarantine_row("event", make_event([], type="odd"), 1000, ERROR)
    assert (row.kind, row.key, row.ledger) == ("event", EVENT_ID, 1000)
    assert (row.error_class, row.error) == ("DecodeError", "why")


def test_payload_has_the_names_of_the_wire() -> None:
    fields = json.loads(quarantine_row("event", make_event([]), 1000, ERROR).payload)
    assert fields["ledgerClosedAt"] == "2026-07-21T18:01:10Z"
    assert fields["inSuccessfulContractCall"] is True


def test_quarantine_row_of_a_transaction_has_its_hash_as_key() -> None:
    assert quarantine_row("transaction", make_transaction(), 1000, ERROR).key == TX_HASH


@pytest.mark.parametrize("bad_id", ["", "7-7", "\0", "\ud800"])
def test_an_item_without_a_valid_id_has_the_digest_of_its_payload(bad_id: str) -> None:
    row = quarantine_row("event", make_event([], id=bad_id), 1000, ERROR)
    assert row.key == hashlib.sha256(row.payload.encode()).hexdigest()


@pytest.mark.parametrize(
    ("kind", "payload", "wanted"),
    [
        ("event", f'{{"id":"{EVENT_ID}","ledger":"x"}}', EVENT_ID),
        ("transaction", f'{{"txHash":"{"ab" * 32}"}}', "ab" * 32),
        ("event", "{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        ("event", '{"id":7}', hashlib.sha256(b'{"id":7}').hexdigest()),
        ("event", "[1", hashlib.sha256(b"[1").hexdigest()),
        ("event", "[" * 100_000, hashlib.sha256(b"[" * 100_000).hexdigest()),
    ],
)
def test_a_malformed_item_keeps_the_key_that_it_states(
    kind: str, payload: str, wanted: str
) -> None:
    row = quarantine_row(kind, Malformed(payload, "bad"), 1000, ERROR)
    assert (row.key, row.payload) == (wanted, payload)


def test_a_row_can_always_be_stored() -> None:
    row = quarantine_row("event", Malformed("a\0\ud800", "bad"), 1000, DecodeError("b\0\udfff" * 9))
    for text in (row.payload, row.error, row.key):
        assert "\0" not in text
        assert text.encode()


def test_a_payload_keeps_what_cannot_be_stored_as_escapes() -> None:
    row = quarantine_row("event", make_event([], type="a\0\ud800"), 1000, ERROR)
    assert '"type":"a\\u0000\\ud800"' in row.payload


def test_errors_are_shortened() -> None:
    assert len(quarantine_row("event", make_event([]), 1, DecodeError("x" * 9999)).error) == 1000


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ('{"ledger":1000}', 1000),
        ('{"ledger":"1000"}', 1000),
        (f'{{"id":"{EVENT_ID}"}}', 1000),
        ('{"ledger":-1}', None),
        ('{"ledger":null}', None),
        ("7", None),
        ("", None),
    ],
)
def test_stated_ledger(payload: str, wanted: int | None) -> None:
    assert stated_ledger(Malformed(payload, "bad")) == wanted
