"""What patience does on a real database and node: it waits, tries again, and ends in time."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import psycopg
import pytest
from sqlalchemy import Engine, text

from flows.harness.patience import Patience
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    RetriableError,
    StalledError,
)
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store import engine as engines
from sorobanflow.store import pool as pools
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, open_stream, pin_network, read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine, pool_of
from sorobanflow.store.pool import PoolSettings
from tests.integration.database_server import own_server, start_server, stop_server
from tests.integration.swallowing_proxy import swallowing_proxy
from tests.ledgers import generated

STALL_S = 0.6
LOCK = f"SELECT pg_advisory_lock({schema._LOCK})"

Retry = Callable[[Patience, Engine], object]


def _stalled(work: Callable[[Patience], object], stall_s: float = STALL_S) -> StalledError:
    """Do work that never ends by itself; gives the error that ended it."""
    began = time.monotonic()
    with closing(Patience(stall_s, str)) as patience:
        patience.waits_for = lambda: "all that"
        with suppress(Exception):
            work(patience)
        assert patience.is_stalled
    assert stall_s <= time.monotonic() - began < stall_s + 8
    return patience.error()


@pytest.mark.parametrize(
    ("lock", "call"),
    [
        (LOCK, schema.prepare),
        ("LOCK TABLE network", lambda engine: pin_network(engine, "any")),
        ("LOCK TABLE coverage", lambda engine: read_coverage(engine, "all")),
        ("LOCK TABLE coverage", lambda engine: open_stream(engine, Stream())),
    ],
)
def test_lock_of_another_session_is_waited_for_only_so_long(
    engine: Engine, database_url: str, lock: str, call: Callable[[Engine], object]
) -> None:
    def work(patience: Patience) -> None:
        patience.watch_pool(pool_of(engine))
        patience.retry("the lock", lambda: call(engine))

    with psycopg.connect(database_url) as other:
        other.execute(lock)
        error = _stalled(work)
        assert str(error).startswith("nothing was committed for 0.6 s; waited for the lock. What")


@pytest.mark.parametrize("when", ["opening", "idle", "busy"])
def test_database_whose_packets_are_lost_is_waited_for_only_so_long(
    engine: Engine, database_url: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CANCEL_S", 0.2)
    monkeypatch.setattr(engines, "CONNECT_S", 2)
    with swallowing_proxy(database_url) as proxy, ExitStack() as stack:

        def opened(patience: Patience) -> Engine:
            opening = open_engine(proxy.url, PoolSettings(), patience.watch_pool)
            return stack.enter_context(opening)

        def work(patience: Patience) -> None:
            if when == "opening":
                proxy.swallowing.set()
            through = patience.retry("the database", lambda: opened(patience))
            if when == "busy":
                with through.connect() as connection:
                    proxy.swallowing.set()
                    connection.execute(text("SELECT 1"))
            proxy.swallowing.set()
            patience.retry("the database", lambda: read_coverage(through, "all"))

        assert "waited for" in str(_stalled(work))


def test_connection_alone_is_dead_and_the_server_answers_others(
    engine: Engine, database_url: str
) -> None:
    """A cancellation over a new connection reaches the server, and helps nothing."""
    with swallowing_proxy(database_url) as proxy, ExitStack() as stack:

        def work(patience: Patience) -> None:
            opening = open_engine(proxy.url, PoolSettings(), patience.watch_pool)
            connection = stack.enter_context(stack.enter_context(opening).connect())
            proxy.swallow_open_ones()
            connection.execute(text("SELECT 1"))

        _stalled(work)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with own_server() as server:
        yield server


def test_database_that_is_away_is_unavailable_and_is_back_later(server: EmbeddedPostgres) -> None:
    url = server.url
    stop_server(server, signal.SIGINT)
    said: list[str] = []
    back = threading.Timer(1, start_server, [server])
    with ExitStack() as stack, closing(Patience(None, lambda text: said.append(str(text)))) as one:
        opening = lambda: stack.enter_context(open_engine(url, PoolSettings()))  # noqa: E731
        with pytest.raises(DatabaseUnavailableError, match=r"no connection .*host=.* socket"):
            opening()
        back.start()
        engine = one.retry("the database", opening)
        back.join()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
    assert len(said) == 1
    assert "waiting for the database: the database is not available" in said[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"host": "no-such-host.invalid"}, "resolve host"), ({"dbname": "none"}, "does not exist")],
)
def test_wrong_address_is_no_reason_to_wait(
    database_url: str, change: dict[str, str], message: str
) -> None:
    url = psycopg.conninfo.make_conninfo(database_url, **change)
    with pytest.raises(ConfigurationError, match=message), open_engine(url, PoolSettings()):
        pass


def test_failure_of_the_node_is_named(engine: Engine) -> None:
    def work(patience: Patience) -> None:
        retry = RetrySettings(attempts=9, base_s=0.2)
        client = RpcClient("http://127.0.0.1:1", retry=retry)
        with patience.watching(client):
            patience.retry("the node", client.get_health)

    assert "waited for the node (last failure: getHealth: http://127.0.0.1:1 failed (Conn" in str(
        _stalled(work)
    )


def test_node_that_comes_back_is_called_again() -> None:
    chain = Chain(generated(), closed=3)
    with DevnetServer(chain) as gone:
        port = int(gone.url.rpartition(":")[2])
    with (
        closing(Patience(30, str)) as patience,
        RpcClient(gone.url, retry=RetrySettings(attempts=1)) as client,
        ExitStack() as stack,
    ):
        back = threading.Timer(1.5, lambda: stack.enter_context(DevnetServer(chain, port)))
        back.start()
        assert patience.retry("the node", client.get_health).latest_ledger == 3
        back.join()


def test_progress_begins_the_time_again_and_fatal_errors_pass() -> None:
    with closing(Patience(1.0, str)) as patience:
        for _ in range(4):
            time.sleep(0.4)
            patience.progressed()
        assert not patience.is_stalled
        with pytest.raises(ConfigurationError):
            patience.retry("it", lambda: (_ for _ in ()).throw(ConfigurationError("wrong")))
        with pytest.raises(StalledError, match=r"for 1 s; waited for it \(last failure: not yet\)"):
            patience.retry("it", lambda: (_ for _ in ()).throw(RetriableError("not yet")))
