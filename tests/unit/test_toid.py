import pytest

from sorobanflow.errors import DecodeError
from sorobanflow.toid import (
    Position,
    TxPosition,
    end_of_ledger,
    parse_event_id,
    parse_transactions_cursor,
)


def test_event_id_is_taken_apart() -> None:
    assert parse_event_id("0016010972359577600-0000000001") == Position(3727845, 5, 0, 1)


def test_tip_cursor_ends_its_ledger() -> None:
    tip = parse_event_id("0016023852966477823-4294967295")
    assert (tip.ledger, tip.ends_ledger) == (3730843, True)


def test_event_id_is_put_together() -> None:
    assert Position(3727845, 5, 0, 1).event_id == "0016010972359577600-0000000001"
    assert end_of_ledger(3730843).event_id == "0016023852966477823-4294967295"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1-2",
        "0016010972359577600-00000000010",
        "-016010972359577600-0000000001",
        "9999999999999999999-0000000001",
        "0016010972359577600-9999999999",
        "\u0660" * 19 + "-0000000001",
    ],
)
def test_parse_event_id_refuses(text: str) -> None:
    with pytest.raises(DecodeError, match="not an event id"):
        parse_event_id(text)


def test_transactions_cursor_round_trips() -> None:
    assert TxPosition(51000294, 541).cursor == "219044594818600961"
    assert parse_transactions_cursor("219044594818600961") == (51000294, 541)


@pytest.mark.parametrize("text", ["", "-1", "x", "1.0", "9" * 20, "9" * 5000])
def test_parse_transactions_cursor_refuses(text: str) -> None:
    with pytest.raises(DecodeError, match="cursor"):
        parse_transactions_cursor(text)
