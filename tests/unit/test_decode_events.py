import pytest

from sorobanflow.decode.events import MAX_REMEMBERED, scval_json, topics_json
from sorobanflow.errors import DecodeError
from tests.unit.wire_items import ALICE, make_event, symbol


def topics_of(*topics: object) -> str:
    return topics_json(make_event([*topics]).topic or ())


def test_topics_are_an_array_in_their_order() -> None:
    topics = topics_of(symbol("transfer"), {"address": ALICE}, "void")
    assert topics == f'[{{"symbol":"transfer"}},{{"address":"{ALICE}"}},"void"]'
    assert topics_of() == "[]"


@pytest.mark.parametrize("size", [MAX_REMEMBERED - 9, MAX_REMEMBERED - 8, MAX_REMEMBERED])
def test_topics_of_any_length_are_read(size: int) -> None:
    assert topics_of({"bytes": "ab" * size}) == f'[{{"bytes":"{"ab" * size}"}}]'


def test_what_is_not_printable_is_escaped() -> None:
    assert scval_json(bytes.fromhex("0000000e 00000004 610062ff")) == r'{"string":"a\\0b\\xff"}'


@pytest.mark.parametrize("bad", ["", "000000", "00000001 00000001", "00000017"])
def test_what_is_no_scval_is_refused(bad: str) -> None:
    with pytest.raises(DecodeError, match="cannot decode SCVal"):
        scval_json(bytes.fromhex(bad))
    with pytest.raises(DecodeError, match="cannot decode SCVal"):
        topics_json([bytes.fromhex(bad)])
