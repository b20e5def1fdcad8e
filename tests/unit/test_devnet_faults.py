"""Faults: their text form, and how they spoil a reply."""

import pytest

from sorobanflow.devnet.faults import Fault, FaultSchedule, check_fault, parse_faults
from sorobanflow.devnet.reply import Reply
from sorobanflow.errors import ConfigurationError

REPLY = Reply(200, b'{"jsonrpc":"2.0"}')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("getEvents:3=503", Fault("getEvents", "status", range(3, 4), 503)),
        ("getEvents:1-2=429/1.5", Fault("getEvents", "status", range(1, 3), 429, 1.5)),
        ("getEvents:*=html", Fault("getEvents", "html", None, 502)),
        ("getEvents:1=html/503", Fault("getEvents", "html", range(1, 2), 503)),
        ("getEvents:1=slow/2.5", Fault("getEvents", "slow", range(1, 2), 0, 2.5)),
        ("getEvents:1=-32001", Fault("getEvents", "rpc_error", range(1, 2), -32001)),
        ("getEvents:1=truncate", Fault("getEvents", "truncate", range(1, 2))),
        ("getTransaction:1-3=not_found", Fault("getTransaction", "not_found", range(1, 4))),
        ("getHealth:1=behind/3", Fault("getHealth", "behind", range(1, 2), 0, 3.0)),
        ("batch:*=refuse_batches", Fault("batch", "refuse_batches")),
    ],
)
def test_text_form(text: str, fault: Fault) -> None:
    assert parse_faults(text) == (fault,)


def test_text_form_takes_several_and_none() -> None:
    faults = parse_faults("getEvents:3=503, getTransactions:1=drop")
    assert [fault.kind for fault in faults] == ["status", "drop"]
    assert parse_faults("") == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("getEvents=503", "wanted METHOD:CALLS=FAULT"),
        ("getEvents:0=503", "the first call is 1"),
        ("getEvents:3-2=503", "are none"),
        ("getEvents:1=nonsense", "no fault 'nonsense'"),
        ("getEvents:1=slow", "slow needs a number"),
        ("getEvents:1=drop/2", "drop takes no number"),
        ("getEvents:1=429/soon", "'soon' is not a number"),
    ],
)
def test_bad_text_says_why(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        parse_faults(text)


@pytest.mark.parametrize(
    "text",
    ["getEvent:1=503", "getEvents:1=not_found", "getEvents:*=refuse_batches", "batch:1=-32001"],
)
def test_fault_that_no_call_can_meet_is_refused(text: str) -> None:
    (fault,) = parse_faults(text)
    with pytest.raises(ConfigurationError):
        check_fault(fault, ["getEvents", "getTransaction"])


def test_schedule_meets_a_fault_at_its_call_only() -> None:
    schedule = FaultSchedule(parse_faults("a:2-3=503,a:3=drop,b:1=drop"))
    met = [schedule.meet("a") for _ in range(4)]
    assert [fault and fault.kind for fault in met] == [None, "status", "status", None]


def spoiled(text: str) -> Reply:
    (fault,) = parse_faults(f"a:*={text}")
    return fault.spoil(REPLY)


def test_spoiled_replies() -> None:
    assert spoiled("429/2").headers == (("Retry-After", "2"),)
    assert spoiled("429").headers == ()
    assert spoiled("502").status == 502
    assert spoiled("html").content_type == "text/html"
    assert spoiled("truncate") == REPLY._replace(send_bytes=8)
    assert spoiled("drop").dropped
    assert spoiled("slow/2").delay_s == 2.0
