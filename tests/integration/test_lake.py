"""Data lakes in every kind of store, with the faults that stores have."""

import json
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr, ValidationError

from blocks import DataLake
from sorobanflow.devnet import LakeServer, parse_faults
from sorobanflow.errors import (
    ClientStoppedError,
    ConfigurationError,
    LakeError,
    LedgerMissingError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.items import LedgerObject
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.http import HttpStore
from sorobanflow.sources.lake.layout import OLDER_SUFFIX, Layout
from sorobanflow.sources.lake.opening import open_lake, open_store
from sorobanflow.sources.lake.source import LakeSource
from sorobanflow.sources.source import Available, fetch_batch
from tests.integration.s3_server import ACCESS, s3_server, upload
from tests.unit.test_lake_objects import MANIFEST, batch

TESTNET = "Test SDF Network ; September 2015"
LEDGERS = LedgerRange(997, 999)
KEY = "FFFFFFFF--0-63999/FFFFFC1A--997.xdr.zst"
PASSPHRASE = "Some Network"

PEM = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()

Open = Callable[..., LakeSource]


@pytest.fixture(scope="module")
def lake(test_data: Path) -> Path:
    """A real lake; nobody changes it."""
    return test_data / "lakes" / "testbucket"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def open_() -> Iterator[Open]:
    """Open a lake with few and quick retries, and close it after the test."""
    clients: list[LakeClient] = []

    def make(url: object, *, timeout_s: float = 30.0, **known: Any) -> LakeSource:
        store = open_store(str(url), {}, HttpSettings(timeout_s=timeout_s))
        clients.append(LakeClient(store, 4, retry=RetrySettings(attempts=2, base_s=0.01)))
        return open_lake(clients[-1], **known)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a lake whose objects hold nothing but their head."""

    def write(layout: Layout, batches: list[LedgerRange], *, manifest: bool = True) -> Path:
        for ledgers in batches:
            path = tmp_path / layout.key(ledgers.last)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(batch(*ledgers))
        counts = {"ledgersPerBatch": layout[0], "batchesPerPartition": layout[1]}
        if manifest:
            (tmp_path / ".config.json").write_text(json.dumps(MANIFEST | counts))
        return tmp_path

    return write


@contextmanager
def served(lake: Path, faults: str = "") -> Iterator[LakeServer]:
    with LakeServer(lake, faults=parse_faults(faults)) as server:
        yield server


def fetched(source: LakeSource, ledgers: LedgerRange) -> list[LedgerObject]:
    return [*fetch_batch(source.begin_batch(ledgers, 1000)).objects]


def check_real_lake(source: LakeSource, lake: Path) -> None:
    objects = fetched(source, LEDGERS)
    assert source.passphrase == TESTNET
    assert [one.ledgers for one in objects] == [(997, 997), (998, 998), (999, 999)]
    assert [one.data for one in objects] == [(lake / one.name).read_bytes() for one in objects]
    assert all(one.is_batch for one in objects)
    assert source.available(LedgerRange(998, 5000)) == Available(998, 999)
    assert source.available(LedgerRange(10, 998)) == Available(997, 998)


def test_lake_in_a_folder(lake: Path) -> None:
    for url in (str(lake), lake.as_uri()):
        block = DataLake(url=SecretStr(url))
        with block.client() as client:
            source = block.source(client)
            check_real_lake(source, lake)
            assert source.available() == Available(997, 999)
            with pytest.raises(LedgerMissingError):
                source.available(LedgerRange(1000, 2000))


def test_lake_over_http(lake: Path) -> None:
    with served(lake) as server:
        block = DataLake(url=SecretStr(server.url))
        with block.client() as client:
            source = block.source(client)
            check_real_lake(source, lake)
            with pytest.raises(LedgerMissingError):
                source.available(LedgerRange(10, 2000))


def test_lake_in_a_bucket_of_s3(lake: Path, s3: str) -> None:
    upload(lake, s3, "bucket", "some/path")
    options: dict[str, Any] = {"endpoint": s3, **ACCESS}
    block = DataLake(url=SecretStr("s3://bucket/some/path"), **options)
    with block.client() as client:
        source = block.source(client)
        check_real_lake(source, lake)
        assert source.available() == Available(997, 999)
        assert source.available(LedgerRange(10, 2000)) == Available(997, 999)
        assert source.address == "s3://bucket/some/path"
    missing = DataLake(url=SecretStr("s3://no-such-bucket"), **options)
    with missing.client() as client, pytest.raises(LakeError, match="NoSuchBucket"):
        missing.source(client)


def test_lake_in_a_bucket_of_google(lake: Path, s3: str) -> None:
    """The same server stands in for Google's: it checks no signature. It lists over TLS only."""
    upload(lake, s3, "google", "some/path")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "private_key": key.private_bytes(*PEM).decode(),
        "private_key_id": "1",
        "client_email": "someone@example.com",
        "gcs_base_url": s3,
    }
    block = DataLake(
        url=SecretStr("gs://google/some/path"),
        service_account_json=SecretStr(json.dumps(account)),
    )
    with block.client() as client:
        source = block.source(client)
        assert [one.ledgers.first for one in fetched(source, LEDGERS)] == [997, 998, 999]
        assert source.available(LEDGERS) == Available(997, 999)


@pytest.mark.parametrize(
    "faults",
    [
        "object:1=503",
        "object:1=429/0",
        "object:1=truncate",
        "object:1=drop",
        "object:1=404",
        "object:1=cut",
        "object:1=other_ledgers",
        "manifest:1=503",
        "manifest:1=404",
    ],
)
def test_fault_that_passes_is_tried_again(lake: Path, open_: Open, faults: str) -> None:
    with served(lake, faults) as server:
        objects = fetched(open_(server.url), LedgerRange(997, 997))
    assert [one.data for one in objects] == [(lake / KEY).read_bytes()]


@pytest.mark.parametrize(
    ("faults", "raised", "named"),
    [
        ("object:*=503", RpcUnavailableError, "HTTP 503"),
        ("object:*=truncate", RpcUnavailableError, "GET FFFF"),
        ("object:*=404", LedgerMissingError, f"{KEY}, which would hold the ledgers 997 to 997"),
        ("object:*=403", LakeError, r"HTTP 403.*s3:ListBucket"),
        ("object:*=401", LakeError, "HTTP 401"),
        ("object:*=cut", LakeError, f"{KEY} is wrong.*end too early"),
        ("object:*=other_ledgers", LakeError, "holds the ledgers 998, and its key names 997"),
        ("object:*=html/200", LakeError, "not zstd"),
        ("manifest:*=network", LakeError, f"'Not the {TESTNET}'.*expected '{TESTNET}'"),
        ("manifest:*=html/200", LakeError, "not one of SEP-54"),
        ("manifest:*=pad/1", LakeError, r"\.config\.json is larger than 65536 bytes"),
        ("manifest:*=403", LakeError, "HTTP 403"),
    ],
)
def test_fault_that_stays_is_named(
    lake: Path, open_: Open, faults: str, raised: type[SorobanflowError], named: str
) -> None:
    with served(lake, faults) as server, pytest.raises(raised, match=named) as caught:
        fetched(open_(server.url, network=TESTNET), LedgerRange(997, 997))
    assert type(caught.value) is raised


def test_redirect_is_not_followed() -> None:
    moved = httpx.MockTransport(lambda request: httpx.Response(301, headers={"Location": "/"}))
    store = HttpStore("https://lake.example/path", HttpSettings(), moved)
    with pytest.raises(LakeError, match="HTTP 301; redirects are not followed"):
        store.exists("key")
    store.close()


def test_slow_answer_is_given_up(lake: Path, open_: Open) -> None:
    with served(lake, "object:*=slow/2") as server, pytest.raises(RpcTimeoutError, match="GET"):
        fetched(open_(server.url, timeout_s=0.2), LedgerRange(997, 997))


def test_step_goes_on_after_an_error(lake: Path, open_: Open) -> None:
    with served(lake, "object:2-3=503") as server:
        source = open_(server.url)
        (*others, step) = source.begin_batch(LEDGERS, 1000, other_batches=3).next_steps()
        assert others == []
        with pytest.raises(RpcUnavailableError):
            step.run()
        assert step.run().size_bytes > 0
        assert [one.ledgers.first for one in step.take().objects] == [997, 998, 999]
        assert server.calls["object"] == 5
        assert step.take().objects == []


def test_steps_share_the_objects_among_the_workers(open_: Open, written: Any) -> None:
    source = open_(written(Layout(1, 64_000), []))
    labels = [step.label for step in source.begin_batch(LedgerRange(11, 20), 1).next_steps()]
    assert labels == ["11-12", "13-15", "16-17", "18-20"]
    beside = source.begin_batch(LedgerRange(11, 20), 1, other_batches=1).next_steps()
    assert [step.label for step in beside] == ["11-15", "16-20"]


def test_objects_of_several_ledgers_are_given_whole(open_: Open, written: Any) -> None:
    batches = [LedgerRange(2, 63), LedgerRange(64, 127), LedgerRange(128, 191)]
    source = open_(written(Layout(64, 10), batches))
    assert source.ledgers_per_object == 64
    assert [one.ledgers for one in fetched(source, LedgerRange(60, 130))] == batches
    assert source.begin_batch(LedgerRange(60, 130), 1).ledgers == LedgerRange(60, 130)
    assert source.available(LedgerRange(60, 5000)) == Available(60, 191)


def test_first_object_may_not_start_later_than_a_network(open_: Open, written: Any) -> None:
    source = open_(written(Layout(64, 10), [LedgerRange(3, 63)]))
    with pytest.raises(LakeError, match="holds the ledgers 3-63, and its key names 0-63"):
        fetched(source, LedgerRange(3, 63))


@pytest.mark.parametrize(
    "layout",
    [
        Layout(1, 64_000, OLDER_SUFFIX),
        Layout(64, 10, OLDER_SUFFIX),
        Layout(64, 1),
        Layout(1, 64_000),
    ],
)
def test_layout_of_a_lake_without_manifest_is_found(
    open_: Open, written: Any, layout: Layout
) -> None:
    ledgers = layout.batches(LedgerRange(700, 700))
    source = open_(written(layout, ledgers, manifest=False), network=PASSPHRASE)
    assert [one.ledgers for one in fetched(source, LedgerRange(700, 700))] == ledgers
    assert (source.passphrase, source.ledgers_per_object) == (PASSPHRASE, layout[0])


def test_lake_without_manifest_says_what_was_tried(open_: Open, written: Any) -> None:
    folder = written(Layout(7, 3), [LedgerRange(700, 706)], manifest=False)
    with pytest.raises(ConfigurationError, match=r"no manifest .*network_passphrase"):
        open_(folder)
    with pytest.raises(LakeError, match=r"ledger 700 .*FFFFFD43--700\.xdr\.zst, .*--640-703"):
        open_(folder, network=PASSPHRASE).available(LedgerRange(700, 701))
    given = open_(folder, network=PASSPHRASE, layout=Layout(7, 3), suffix=".xdr.zst")
    assert given.available(LedgerRange(700, 800)) == Available(700, 706)


def test_folder_reads_only_files_inside_of_it(
    open_: Open, written: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "object"
    outside.write_bytes(batch(997, 997))
    folder = written(Layout(1, 1), [LedgerRange(998, 998)])
    (folder / Layout(1, 1).key(997)).symlink_to(outside)
    os.mkfifo(folder / Layout(1, 1).key(996))
    source = open_(folder)
    with pytest.raises(LakeError, match="leads out of the folder"):
        fetched(source, LedgerRange(997, 997))
    with pytest.raises(LakeError, match="not a regular file"):
        fetched(source, LedgerRange(996, 996))
    shutil.rmtree(folder)
    with pytest.raises(RpcUnavailableError, match="is gone"):
        fetched(source, LedgerRange(998, 998))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("/no/such/folder", "is no folder"),
        ("ftp://host/lake", "'ftp'"),
        ("https://", "not an http or https URL"),
        ("s3://", "names no bucket"),
    ],
)
def test_url_that_is_no_lake_is_refused(open_: Open, url: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        open_(url)


def test_credentials_for_a_folder_are_refused(lake: Path) -> None:
    block = DataLake(url=SecretStr(str(lake)), access_key_id=SecretStr("planted"))
    with pytest.raises(ConfigurationError, match="s3:// and gs://"):
        block.client()


def test_half_a_layout_is_refused() -> None:
    with pytest.raises(ValidationError, match="or neither"):
        DataLake(url=SecretStr("/lake"), ledgers_per_batch=64)


def test_settings_of_the_block_reach_the_lake(written: Any) -> None:
    folder = written(Layout(7, 3, OLDER_SUFFIX), [LedgerRange(700, 706)], manifest=False)
    block = DataLake(
        url=SecretStr(str(folder)),
        network_passphrase=PASSPHRASE,
        ledgers_per_batch=7,
        batches_per_partition=3,
        suffix=OLDER_SUFFIX,
        max_workers=2,
        batch_size=50,
        decode_processes=3,
    )
    with block.client() as client:
        source = block.source(client)
        assert len(source.begin_batch(LedgerRange(700, 800), 1).next_steps()) == 2
        assert fetched(source, LedgerRange(702, 702))[0].ledgers == (700, 706)
    with block.client(max_workers=1) as client:
        assert len(block.source(client).begin_batch(LedgerRange(700, 800), 1).next_steps()) == 1
    assert (block.batch_bounds().start, block.processes()) == (50, 3)


def test_stop_ends_a_call_under_way(open_: Open, written: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        store = open_store(f"http://127.0.0.1:{port}", {}, HttpSettings())
        client, errors = LakeClient(store, 1), []

        def ask() -> None:
            try:
                client.get("key", 100)
            except SorobanflowError as error:
                errors.append(error)

        caller = threading.Thread(target=ask)
        caller.start()
        connection, _ = silent.accept()
        connection.recv(100)
        stopped_at = time.monotonic()
        client.stop()
        caller.join(5)
        connection.close()
    assert time.monotonic() - stopped_at < 1
    assert [type(error) for error in errors] == [ClientStoppedError]
    client.close()


def test_no_error_and_no_log_line_holds_a_secret(
    lake: Path, s3: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with served(lake, "object:1=403,object:2-=503") as server:
        url = server.url.replace("http://", "http://planted-user:planted-word@")
        blocks: list[dict[str, Any]] = [
            {"url": f"{url}?token=planted-token"},
            {"url": "s3://no-bucket/x", "endpoint": s3, **ACCESS},
            {"url": "s3://bucket/x", "endpoint": "http://127.0.0.1:1", **ACCESS},
            {"url": "gs://bucket/x", "service_account_key": '{"planted": 1}'},
            {"url": "ftp://planted-user@host?token=planted-token"},
        ]
        for fields in blocks:
            said += _said(**fields)
    assert sum(record.name == "httpx" for record in caplog.records) >= 3
    assert "HTTP 403" in " ".join(said)
    everything = unquote(" ".join(said) + caplog.text)
    assert "planted" not in everything
    assert "Signature" not in everything


def _said(url: str, **options: str) -> Iterator[str]:
    """Use a lake twice; give all that its block and its store say, and all errors."""
    yield repr(DataLake(url=SecretStr(url)))
    for _ in range(2):
        try:
            store = open_store(url, options, HttpSettings())
            with LakeClient(store, 1, retry=RetrySettings(attempts=1)) as client:
                yield client.address
                fetched(open_lake(client), LedgerRange(997, 997))
        except SorobanflowError as error:
            yield f"{error} {error.__cause__} {error.__context__}"
