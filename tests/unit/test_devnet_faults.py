"""Faults: their text form, which calls they meet, and how they change a reply."""

import re
from pathlib import Path

import msgspec
import pytest

from sorobanflow.devnet import faults
from sorobanflow.devnet.fault_text import parse_faults
from sorobanflow.devnet.faults import Fault, FaultSchedule, check_fault
from sorobanflow.devnet.node import METHODS
from sorobanflow.devnet.reply import Reply
from sorobanflow.devnet.reply_faults import change_reply
from sorobanflow.errors import ConfigurationError

REPLY = Reply(200, b'{"jsonrpc":"2.0"}')
FILES = ("manifest", "object")
#: The kinds that have names; the others are written as codes.
NAMED = (faults.OF_REPLY | faults.OF_ONE_CALL | faults.OF_FILE | {"random"}) - {
    "status",
    "rpc_error",
}


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
        ("batch:2-=partial/1", Fault("batch", "partial", range(2, 2**31 + 1), 0, 1.0)),
        ("*:7=trimmed/3", Fault("*", "trimmed", range(7, 8), 0, 3.0)),
        ("getEvents:1=missing/ledger", Fault("getEvents", "missing", range(1, 2), text="ledger")),
        ("getEvents:1=cursor/0", Fault("getEvents", "cursor", range(1, 2), text="0")),
        ("getEvents:1=stray/-5", Fault("getEvents", "stray", range(1, 2), 0, -5.0)),
        ("*:*=bound/300", Fault("*", "bound", None, 0, 300.0)),
        ("*:*=random/7", Fault("*", "random", None, 0, 7.0)),
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
        ("getEvents=503", "expected METHOD:CALLS=FAULT"),
        ("getEvents:0=503", "the first call is 1"),
        ("getEvents:3-2=503", "no call is in"),
        ("getEvents:1=nonsense", "unknown fault 'nonsense'"),
        ("getEvents:1=slow", "slow needs a number"),
        ("getEvents:1=drop/2", "drop takes no number"),
        ("getEvents:1=429/soon", "'soon' is not a number"),
        ("getEvents:0-=503", "the first call is 1"),
        ("getEvents:1=missing", "missing needs a text"),
        ("getEvents:1=status", "unknown fault 'status'"),
    ],
)
def test_bad_text_says_why(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        parse_faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "getEvent:1=503",
        "getEvents:1=not_found",
        "getEvents:*=refuse_batches",
        "batch:1=-32001",
        "getTransaction:1=page/2",
        "*:1=network",
        "getEvents:1=tampered",
        "getTransaction:1=cut",
    ],
)
def test_fault_that_no_call_can_meet_is_refused(text: str) -> None:
    (fault,) = parse_faults(text)
    with pytest.raises(ConfigurationError):
        check_fault(fault, ["getEvents", "getTransaction", "batch"])


def test_files_of_a_lake_have_no_faults_of_calls() -> None:
    for text in ("object:1=-32001", "manifest:1=cut", "object:1=network", "getEvents:1=503"):
        with pytest.raises(ConfigurationError):
            check_fault(parse_faults(text)[0], FILES, faults.OF_FILE)


def met(schedule: FaultSchedule, *methods: str) -> list[list[str]]:
    return [[fault.kind for fault in schedule.next_call(method)] for method in methods]


def test_schedule_meets_every_fault_of_a_call() -> None:
    schedule = FaultSchedule(parse_faults("a:2-3=503,a:3=drop,b:1=drop"))
    assert met(schedule, *"aaaa") == [[], ["status"], ["status", "drop"], []]


def test_star_counts_the_calls_of_all_methods_and_no_batches() -> None:
    schedule = FaultSchedule(parse_faults("*:2-=behind/1"))
    assert met(schedule, "batch", "a", "batch", "b", "c") == [[], [], [], ["behind"], ["behind"]]
    assert schedule.calls == {"batch": 2, "a": 1, "b": 1, "c": 1}


def test_random_faults_are_the_same_for_the_same_seed_and_calls() -> None:
    calls = ["getEvents", "getTransaction", "batch"] * 40
    first, again, other = (
        met(FaultSchedule(parse_faults(f"*:*=random/{seed},batch:*=random/{seed}")), *calls)
        for seed in (1, 1, 2)
    )
    assert first == again != other
    hit = sum(bool(kinds) for kinds in first)
    assert 15 <= hit <= 45  # one in four of 120


def test_random_faults_fit_their_method() -> None:
    for method in (*METHODS, "batch", *FILES):
        kinds = faults.OF_FILE if method in FILES else faults.OF_ONE_CALL
        schedule = FaultSchedule([Fault(method, "random", amount=3)])
        for fault in (one for _ in range(100) for one in schedule.next_call(method)):
            check_fault(fault._replace(method=method), [method], kinds)


def test_docstring_names_every_kind_and_nothing_else() -> None:
    named = set(re.findall(r"^    ([a-z_]+)[,/ ]", faults.__doc__ or "", re.MULTILINE))
    assert named == NAMED


def test_table_of_the_docs_names_every_kind_and_every_example_can_be_met() -> None:
    table, examples = (
        (Path(__file__).parents[2] / "docs/devnet.md").read_text().split("## Examples")
    )
    named = set(re.findall(r"^\| `([a-z_]+)", table, re.MULTILINE)) - {"getHealth"}
    assert named == NAMED
    schedules = re.findall(r"\| `([^`]+)` \|$", examples, re.MULTILINE)
    assert len(schedules) >= 9
    for fault in (one for schedule in schedules for one in parse_faults(schedule)):
        check_fault(fault, (*METHODS, "batch", *FILES), faults.OF_ONE_CALL | faults.OF_FILE)


def changed(text: str) -> Reply:
    (fault,) = parse_faults(f"a:*={text}")
    return change_reply(fault, REPLY)


def test_faults_change_replies() -> None:
    assert changed("429/2").headers == (("Retry-After", "2"),)
    assert changed("429").headers == ()
    assert changed("502").status == 502
    assert changed("html").content_type == "text/html"
    assert changed("truncate") == REPLY._replace(send_bytes=8)
    assert changed("drop").dropped
    assert changed("slow/2").delay_s == 2.0
    assert len(changed("pad/2").body) == len(REPLY.body) + 2 * 2**20


def test_bound_keeps_the_first_items_and_the_cursor_that_follows() -> None:
    def bounded(body: object, size: int) -> object:
        fault = Fault("*", "bound", amount=size)
        reply = change_reply(fault, REPLY._replace(body=msgspec.json.encode(body)))
        return msgspec.json.decode(reply.body)

    transactions = [{"ledger": 7, "applicationOrder": order} for order in (1, 2, 3)]
    page = {"result": {"transactions": transactions, "cursor": "end"}}
    size = 2 * len(msgspec.json.encode(transactions[0]))
    cut = {"transactions": transactions[:2], "cursor": str((7 << 32) + (2 << 12) + 1)}
    assert bounded(page, size) == {"result": cut}
    assert bounded(page, 2 * size) == page
    events = {"result": {"events": [{"id": "a"}, {"id": "b"}], "cursor": "end"}}
    assert bounded(events, 0) == {"result": {"events": [{"id": "a"}], "cursor": "a"}}
    assert bounded([{"id": 1}, {"id": 2}], 0) == [{"id": 1}]
    for other in ({"error": {"code": 1}}, {"result": {"events": {"transactionEventsXdr": []}}}):
        assert bounded(other, 0) == other
    assert changed("bound/0") == REPLY
