import pytest

from sorobanflow.decode.events import decode_event
from sorobanflow.errors import DecodeError
from tests.unit.wire_items import ALICE, make_event, symbol


def test_decode_event_gives_topics_in_order_and_the_value() -> None:
    event = make_event([symbol("transfer"), {"address": ALICE}], {"i128": "-5"})
    topics, value = decode_event(event)
    assert topics == [{"symbol": "transfer"}, {"address": ALICE}]
    assert value == {"i128": "-5"}


def test_decode_event_takes_an_event_without_topics() -> None:
    assert decode_event(make_event([], topic=None)).topics == []


def test_decode_event_takes_a_long_topic() -> None:
    topic = {"bytes": "ab" * 400}
    assert decode_event(make_event([topic])).topics == [topic]


def test_decode_event_escapes_what_is_not_printable() -> None:
    event = make_event([], topic=["AAAADgAAAARhAGL/"])  # a string of bytes 61 00 62 ff
    assert decode_event(event).topics == [{"string": r"a\0b\xff"}]


@pytest.mark.parametrize(("field", "bad"), [("value", "AAAA"), ("topic", ["AAAAAQ==", "no"])])
def test_decode_event_refuses_bad_xdr(field: str, bad: object) -> None:
    event = make_event([])
    setattr(event, field, bad)
    with pytest.raises(DecodeError):
        decode_event(event)
