"""Whole ledgers of a node: pages, wrong answers, and ledgers that it no longer has or still has."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sorobanflow.devnet import Chain, DevnetServer, parse_faults
from sorobanflow.errors import (
    AnswerTooLargeError,
    LedgerOutsideRetentionError,
    NodeBehindError,
    RpcInternalError,
    RpcProtocolError,
    RpcRequestError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.whole_ledgers import LedgersSource
from sorobanflow.sources.source import fetch_batch
from tests.ledgers import generated
from tests.unit.rpc_node import client_of, json_handler

LEDGERS = LedgerRange(2, 9)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(generated(), closed=12, retention=11)


@contextmanager
def source_of(
    chain: Chain, faults: str = "", max_workers: int = 1, max_bytes: int = 2**26
) -> Iterator[LedgersSource]:
    http = HttpSettings(max_connections=max_workers, max_response_bytes=max_bytes)
    with (
        DevnetServer(chain, faults=parse_faults(faults)) as server,
        RpcClient(server.url, http=http, retry=RetrySettings(attempts=1)) as client,
    ):
        yield LedgersSource(client, chain.network.passphrase)


def fetched(source: LedgersSource, ledgers: LedgerRange = LEDGERS) -> list[tuple[int, bytes]]:
    objects = fetch_batch(source.begin_batch(ledgers, 1000)).objects
    assert not any(one.is_batch for one in objects)
    assert all(one.ledgers.size == 1 for one in objects)
    return [(one.ledgers.first, one.data) for one in objects]


def expected(chain: Chain, ledgers: LedgerRange = LEDGERS) -> list[tuple[int, bytes]]:
    return [(one, chain.close_meta(one)) for one in range(ledgers.first, ledgers.last + 1)]


@pytest.mark.parametrize("faults", ["", "getLedgers:*=page/2", "getLedgers:1=hole"])
def test_every_ledger_comes_once_and_in_order(chain: Chain, faults: str) -> None:
    with source_of(chain, faults, max_workers=3) as source:
        steps = source.begin_batch(LEDGERS, 1000).next_steps()
        assert [step.label for step in steps] == ["2-3", "4-6", "7-9"]
        assert fetched(source) == expected(chain)


@pytest.mark.parametrize(
    ("faults", "raised", "named"),
    [
        ("getLedgers:*=hole", RpcInternalError, "ledger 9 was refused"),
        ("getLedgers:*=stuck", RpcInternalError, "ledger 2 was refused"),
        ("getLedgers:2=behind/8", NodeBehindError, "ledger 7 .*newest is 4"),
        ("getLedgers:2=trimmed/9", LedgerOutsideRetentionError, "ledger 7 .*oldest ledger 11"),
        ("getLedgers:*=missing/metadataXdr", RpcProtocolError, "metadataXdr"),
        ("getLedgers:*=mistyped/metadataXdr", RpcProtocolError, "metadataXdr"),
        ("getLedgers:*=missing/latestLedger", RpcProtocolError, "latestLedger"),
        ("getLedgers:*=truncate", RpcUnavailableError, "getLedgers"),
    ],
)
def test_answer_that_is_wrong_is_named(
    chain: Chain, faults: str, raised: type[SorobanflowError], named: str
) -> None:
    with source_of(chain, faults) as source, pytest.raises(raised, match=named):
        fetched(source)


def test_page_that_starts_elsewhere_is_a_wrong_answer() -> None:
    page = {"latestLedger": 9, "ledgers": [{"sequence": 7, "metadataXdr": "AAAA"}]}
    source = LedgersSource(client_of(json_handler(page)), "")
    with pytest.raises(RpcProtocolError, match="starts with ledger 7; expected 2"):
        fetched(source)


def test_answers_that_are_too_large_become_smaller_pages(chain: Chain) -> None:
    largest = max(len(meta) for _, meta in expected(chain))
    with source_of(chain, max_bytes=2 * largest) as source:
        assert fetched(source) == expected(chain)
        assert source.client.sizes["getLedgers"].items < 5
    with source_of(chain, max_bytes=largest) as source, pytest.raises(AnswerTooLargeError):
        fetched(source)


def test_ledgers_below_the_oldest_are_asked_for(chain: Chain) -> None:
    with source_of(chain) as source:
        assert source.available() == (2, 12, chain.close_time(12))
        assert source.available(LedgerRange(1, 5))[:2] == (2, 12)
        assert source.available(LedgerRange(5, 9))[:2] == (2, 12)
        with pytest.raises(LedgerOutsideRetentionError, match="oldest ledger 2"):
            fetched(source, LedgerRange(1, 3))
    stored = Chain(generated(), closed=12, retention=3, has_data_store=True)
    with source_of(stored) as source:
        assert source.available()[:2] == (10, 12)
        assert source.available(LedgerRange(2, 9))[:2] == (2, 12)
        assert fetched(source) == expected(stored)


@pytest.mark.parametrize(("has_data_store", "oldest"), [(True, 2), (False, 10)])
def test_node_without_gethealth_says_in_a_page_what_it_has(
    has_data_store: bool, oldest: int
) -> None:
    chain = Chain(generated(), closed=12, retention=3, has_data_store=has_data_store)
    with source_of(chain, "getHealth:*=-32601") as source:
        assert source.available()[:2] == (10, 12)
        assert source.available(LedgerRange(2, 9))[:2] == (oldest, 12)


def test_node_without_the_method_says_so(chain: Chain) -> None:
    with (
        source_of(chain, "getLedgers:*=-32601") as source,
        pytest.raises(RpcRequestError, match="getLedgers was refused"),
    ):
        fetched(source)
