"""A status as text, Markdown and JSON; the arithmetic of a stream; what Prefect's API answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from sorobanflow.ledgers import LedgerRange
from sorobanflow.status.health import Limits, judged
from sorobanflow.status.listing import Listed
from sorobanflow.status.listing import to_text as listing_text
from sorobanflow.status.model import (
    Database,
    Gap,
    Node,
    Problem,
    Quarantine,
    QuarantineCount,
    Ranges,
    Run,
    Status,
    Stream,
)
from sorobanflow.status.report import to_json, to_markdown, to_text
from sorobanflow.status.runs import read_runs
from sorobanflow.status.streams import compared
from sorobanflow.store.coverage import Coverage
from sorobanflow.store.live_streams import Health

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
GAP = Gap(LedgerRange(700, 799), "the node's oldest ledger was 800", NOW - timedelta(hours=3))
STREAM = Stream(
    "all",
    indexed_from=500,
    covered=Ranges(2, 1400, (LedgerRange(500, 699), LedgerRange(800, 1999))),
    covered_end=1999,
    advanced_at=NOW - timedelta(minutes=12, seconds=5),
    lag_ledgers=141,
    lag_s=705.0,
    holes=Ranges(1, 1, (LedgerRange(1500, 1500),)),
    gaps=Ranges(1, 100, (LedgerRange(700, 799),)),
    newest_gaps=(GAP,),
    oldest_missing=1500,
    retention_left_s=500_000.0,
)
STATUS = Status(
    NOW,
    "0004",
    "https://rpc.example.org",
    Node("Test SDF Network ; September 2015", "testnet", 900, 2140, NOW - timedelta(seconds=4)),
    Database(
        "stellar",
        5 * 2**30,
        "0004",
        "Test SDF Network ; September 2015",
        {"events": 1_234_567, "gaps": 0, "ledgers": None},
        5.0,
        (STREAM,),
        quarantine=Quarantine((QuarantineCount("event", "all", 3, NOW - timedelta(days=2)),)),
    ),
    (Run("index", "calm-owl", "Failed", NOW - timedelta(minutes=10), 61.0),),
)
TEXT = """\
UNHEALTHY: 4 problems (2026-11-26 03:00 UTC)
  !     stream all: 141 ledgers (11 minutes and 45 seconds) behind the node; the limit is 120
  !     stream all: nothing newer was stored for 12 minutes and 5 seconds, although the node has 141
        more ledgers; check that the flow index runs
  !     stream all: holes: 1 ledger (1500); the next run of the flow index fills them
  !     stream all: recorded as a gap within the last day: 100 ledgers (700-799): the node's oldest
        ledger was 800; a node with longer history may still have them
  note: stream all: in quarantine: 3 items of kind event, the newest from 2026-11-24 03:00 UTC

network     testnet (Test SDF Network ; September 2015)
node        https://rpc.example.org has ledgers 900 to 2140, the newest closed 4 seconds ago
database    stellar, 5.0 GiB, schema 0004
stream      all
  covered   1,400 ledgers (500-699, 800-1999)
  lag       141 ledgers, 11 minutes and 45 seconds; the newest was stored 12 minutes and 5 seconds
            ago
  holes     1 ledger (1500)
  gaps      100 ledgers (700-799)
  last gap  700-799, recorded 2026-11-26 00:00 UTC: the node's oldest ledger was 800
  time left at least 5 days and 19 hours until the node drops ledger 1500
quarantine  3 items of kind event in stream all
rows, about events 1,234,567; no estimate yet: ledgers
last runs   index: Failed, 10 minutes ago, took 1 minute and 1 second (calm-owl)"""


def test_text_says_first_what_is_wrong_and_then_everything() -> None:
    assert to_text(judged(STATUS, Limits())) == TEXT
    healthy = to_text(Status(NOW, "0004", "http://node", None, None))
    assert healthy.startswith("healthy (2026-11-26 03:00 UTC)\n\nnetwork ")


def test_json_reads_back_as_the_same_status() -> None:
    status = judged(STATUS, Limits())
    said = to_json(status)
    assert msgspec.json.decode(said, type=Status) == status
    assert json.loads(said)["healthy"] is False
    assert json.loads(to_json(Status(NOW, "0004", "", None, None)))["healthy"] is True


def test_markdown_is_a_table_that_no_value_breaks() -> None:
    odd = Problem("gap", "a | b", "all")
    status = Status(NOW, "0004", "http://no|de", None, None, problems=(odd,))
    assert to_markdown(status).splitlines() == [
        "- stream all: a \\| b",
        "",
        "|  |  |",
        "|---|---|",
        "| network | not known |",
        "| node | http://no\\|de cannot be reached, see above |",
        "| database | cannot be reached, see above |",
        "| last runs | not read: PREFECT_API_URL is not set; `make ui` starts a server |",
    ]


def test_filter_that_stands_still_names_the_way_to_end_it() -> None:
    assert STATUS.database is not None
    stream = replace(STREAM, name="filter-1", filter="{}")
    status = replace(STATUS, database=replace(STATUS.database, streams=(stream,)))
    assert "or end it with `sorobanflow streams forget filter-1`" in str(judged(status, Limits()))
    assert "streams forget" not in str(judged(STATUS, Limits()))


def test_listing_names_what_is_known_of_each_stream() -> None:
    run = Run("index", "index 1-9", "Completed", NOW - timedelta(minutes=2), 3.0)
    bad = Health("unhealthy", NOW - timedelta(hours=1), "it lags")
    tried = Stream("filter-1", filter='{"topics":[["*"]]}')
    listing = [Listed(STREAM, bad, run), Listed(tried, None, None)]
    assert listing_text(listing, NOW).splitlines() == [
        "stream     all",
        "  filter   none: everything",
        "  covered  1,400 ledgers (500-699, 800-1999)",
        "  newest   ledger 1999, stored 12 minutes and 5 seconds ago",
        "  gaps     100 ledgers (700-799)",
        "  last run index: Completed, 2 minutes ago, took 3 seconds (index 1-9)",
        "  health   unhealthy since 2026-11-26 02:00 UTC: it lags",
        "",
        "stream     filter-1, not indexed live",
        '  filter   {"topics":[["*"]]}',
        "  covered  none",
        "  gaps     none",
        "  last run not known",
        "  health   not known: no scheduled run has judged it",
    ]
    assert listing_text([], NOW) == "there are no streams"


def test_node_far_behind_the_stream_is_unhealthy() -> None:
    coverage = Coverage((LedgerRange(1, 1000),), (), 1)
    for latest, expected in [(880, []), (879, ["behind"])]:
        node = Node("", None, 1, latest, None)
        stream = compared(Stream("all", indexed_from=1), coverage, node, 5.0)
        database = Database(revision="0004", streams=(stream,))
        status = judged(Status(NOW, "0004", "", None, database), Limits())
        assert [one.kind for one in status.problems] == expected
    assert (stream.lag_ledgers, stream.lag_s, stream.holes.count) == (-121, 0.0, 0)


def test_lag_of_a_stream_that_holds_nothing_counts_from_its_first_ledger() -> None:
    node = Node("", None, 11, 50, None)
    stream = compared(Stream("all", indexed_from=41), Coverage(indexed_from=41), node, 6.0)
    assert (stream.lag_ledgers, stream.lag_s) == (10, 60.0)
    assert (stream.oldest_missing, stream.retention_left_s) == (41, 180.0)


@contextmanager
def _prefect(status: int, answer: object) -> Iterator[tuple[str, list[Any]]]:
    """Answer every POST; gives the URL of the API, and what was asked with which key."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_runs_are_asked_for_by_flow_with_the_key_as_bearer() -> None:
    run = {
        "name": "calm-owl",
        "state_name": "Completed",
        "start_time": "2026-11-26T02:50:00Z",
        "total_run_time": 61.0,
        "unknown": {},
    }
    with _prefect(200, [run]) as (url, asked):
        runs, problems = read_runs(f"{url}/", "key-of-the-api")
    assert problems == ()
    assert [one.flow for one in runs] == ["index", "backfill", "audit", "export"]
    started = datetime(2026, 11, 26, 2, 50, tzinfo=UTC)
    assert runs[0] == Run("index", "calm-owl", "Completed", started, 61.0)
    assert [(path, key) for path, key, _ in asked] == [
        ("/api/flow_runs/filter", "Bearer key-of-the-api")
    ] * 4
    assert asked[0][2]["flows"] == {"name": {"any_": ["index"]}}
    assert asked[0][2]["limit"] == 3


def test_runs_of_other_databases_are_left_out() -> None:
    """The server of the test gives each query all runs, so that what is left is our choice."""
    runs = [
        {"name": name, "start_time": f"2026-11-26T02:{minute}:00Z", "tags": tags}
        for name, minute, tags in [("foreign", 50, ["database-ffff"]), ("away", 40, ["x"])]
    ]
    with _prefect(200, runs) as (url, asked):
        read, _ = read_runs(url, None, None, "0123456789ab")
    assert asked[0][2]["flow_runs"]["tags"] == {"all_": ["database-01234567"]}
    assert "tags" not in asked[1][2]["flow_runs"]
    # Of the first query both count; of the second, those without a database.
    assert [one.name for one in read if one.flow == "index"] == ["foreign", "away", "away"]


@pytest.mark.parametrize(
    ("passphrase", "closed_min", "stored_min", "expected"),
    [
        ("Public Global Stellar Network ; September 2015", 9, 9, []),
        ("Public Global Stellar Network ; September 2015", 11, 0, ["old"]),
        ("Sorobanflow Devnet ; 2026", 9999, 9, []),
        ("Sorobanflow Devnet ; 2026", 9999, 11, ["old"]),
    ],
)
def test_stream_whose_newest_ledger_is_old_is_unhealthy_though_it_lags_nothing(
    passphrase: str, closed_min: int, stored_min: int, expected: list[str]
) -> None:
    def ago(minutes: int) -> datetime:
        return NOW - timedelta(minutes=minutes)

    stream = Stream("all", indexed_from=1, covered_end=7, closed_at=ago(closed_min))
    stream = replace(stream, advanced_at=ago(stored_min), lag_ledgers=0)
    database = Database(revision="0004", passphrase=passphrase, streams=(stream,))
    status = Status(NOW, "0004", "", None, database)
    problems = judged(status, Limits()).problems
    assert [one.kind for one in problems] == expected
    assert all("the newest ledger, 7, " in one.text for one in problems)
    backfilled = replace(database, streams=(replace(stream, lag_ledgers=None),))
    assert judged(replace(status, database=backfilled), Limits()).healthy


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (401, [], "HTTP 401: set PREFECT_API_AUTH_STRING to user:password as the server has it"),
        (302, [], "HTTP 302"),
        (200, {"detail": "key-of-the-api"}, "ValidationError"),
    ],
)
def test_prefect_without_an_answer_is_a_problem(status: int, answer: object, why: str) -> None:
    with _prefect(status, answer) as (url, _):
        runs, (problem,) = read_runs(url, "key-of-the-api")
    assert runs == ()
    api = url.removesuffix("/api")
    assert problem.text == f"the runs cannot be read from Prefect's API at {api}: {why}"


def test_prefect_url_that_is_none_is_not_shown() -> None:
    text = "PREFECT_API_URL is not an http or https URL with a host"
    assert read_runs("ftp://me:secret@host", None) == ((), (Problem("prefect", text),))
