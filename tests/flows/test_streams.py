"""The streams of a database as a person sees them, and one that is forgotten."""

import io
import json
from collections.abc import Callable
from uuid import UUID

import pytest
from prefect import get_client
from prefect.states import Cancelled, Running
from sqlalchemy import Engine

from deployments import streams
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.status.database import read_id
from sorobanflow.status.health import Limits
from sorobanflow.status.model import database_tag
from sorobanflow.status.read import read_status
from sorobanflow.store.coverage import Stream
from tests.integration.test_filtered_ledgers import GENERATED
from tests.ledgers import generated

TRIED = GENERATED["name"]
NAME = Stream.of_filter(TRIED.canonical_json).name


def test_filter_that_was_tried_is_shown_and_forgotten_and_the_status_is_healthy(
    serve: Callable[..., DevnetServer],
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
    checksums: Callable[[Engine], dict[str, tuple[int, str]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = Chain(generated(), closed=12)
    server = serve(chain)
    blocks = save_blocks(server.url)
    index(**blocks, start_ledger=4, topics=[list(topic) for topic in TRIED.topics])
    chain.close(8)
    index(**blocks, start_ledger=9)
    database = blocks["database"]
    assert _problems(engine, server, "behind") == [NAME]
    capsys.readouterr()

    streams.show(database, as_json=True)
    everything, tried = json.loads(capsys.readouterr().out)
    assert (everything["name"], everything["filter"], tried["name"]) == ("all", None, NAME)
    assert EventFilter.of_json(json.dumps(tried["filter"])) == TRIED
    assert (tried["covered"]["shown"], tried["newest_ledger"]) == ([[4, 12]], 12)
    assert tried["last_run"]["state"] == everything["last_run"]["state"] == "Completed"
    assert tried["last_run"]["name"] != everything["last_run"]["name"]

    before = checksums(engine)
    assert streams.forget(NAME, database, dry_run=True, yes=False) == 0
    would_go = capsys.readouterr().out.removesuffix(" would go\n")
    with pytest.raises(ConfigurationError, match="no terminal to ask at; add --yes"):
        streams.forget(NAME, database, dry_run=False, yes=False)
    monkeypatch.setattr("sys.stdin", _Terminal("no\n"))
    assert streams.forget(NAME, database, dry_run=False, yes=False) == 1
    assert f"stream {NAME} covers 9 ledgers (4-12)" in capsys.readouterr().out
    run = _begin_run(engine)
    with pytest.raises(ConfigurationError, match=f"is being indexed, .*index '.*' \\({run}\\)"):
        streams.forget(NAME, database, dry_run=False, yes=True)
    assert checksums(engine) == before

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelled(), force=True)
    monkeypatch.setattr("sys.stdin", _Terminal(f"{NAME}\n"))
    assert streams.forget(NAME, database, dry_run=False, yes=False) == 0
    assert f"is forgotten, with {would_go};" in capsys.readouterr().out
    assert _problems(engine, server) == []
    streams.show(database, as_json=True)
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["all"]
    assert streams.forget("all", database, dry_run=False, yes=True) == 0
    assert "files that `archive` wrote stay" in capsys.readouterr().out


class _Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def _begin_run(engine: Engine) -> UUID:
    """Tell Prefect that a run indexes the stream."""
    tags = [NAME, database_tag(read_id(engine) or "")]
    with get_client(sync_client=True) as client:
        return client.create_flow_run(index, state=Running(), tags=tags).id


def _problems(engine: Engine, server: DevnetServer, *kinds: str) -> list[str | None]:
    with RpcClient(server.url) as client:
        status = read_status(engine, client, limits=Limits(max_lag_ledgers=5))
    return [one.stream for one in status.problems if one.kind in kinds or not kinds]
