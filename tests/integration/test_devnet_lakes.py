"""The devnet's whole ledgers over HTTP: getLedgers, and data lakes with their faults."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import zstandard
from stellar_sdk import xdr

from sorobanflow.devnet import Chain, ChainLake, DevnetServer, LakeServer, parse_faults
from sorobanflow.devnet.__main__ import main
from sorobanflow.devnet.faults import Fault
from sorobanflow.devnet.lake_commands import make_lake_server
from sorobanflow.errors import ConfigurationError
from tests.ledgers import generated

SOURCE = generated(transactions_per_ledger=1)
LAST = 5
FOLDER = "FFFFFFFF--0-63999"
OBJECT = f"{FOLDER}/FFFFFFFC--3.xdr.zst"
NEXT = f"{FOLDER}/FFFFFFFB--4.xdr.zst"

Get = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5) as opened:
        yield opened


@pytest.fixture
def get(client: httpx.Client) -> Iterator[Get]:
    """Get a file of a lake whose server has these faults."""
    servers: list[LakeServer] = []

    def ask(faults: str, key: str = OBJECT) -> httpx.Response:
        lake = ChainLake(Chain(SOURCE, closed=LAST))
        server = LakeServer(lake, faults=parse_faults(faults))
        server.start()
        servers.append(server)
        return client.get(f"{server.url}/{key}")

    yield ask
    for server in servers:
        server.stop()


def sequence(content: bytes) -> int:
    batch = xdr.LedgerCloseMetaBatch.from_xdr_bytes(zstandard.decompress(content))
    meta = batch.ledger_close_metas[0].v2
    assert meta is not None
    return meta.ledger_header.header.ledger_seq.uint32


def test_lake_serves_its_manifest_and_objects(get: Get) -> None:
    assert sequence(get("").content) == 3
    manifest = get("", ".config.json").json()
    assert manifest["networkPassphrase"] == SOURCE.network.passphrase
    missing = get("", f"{FOLDER}/FFFFFFF9--6.xdr.zst")
    assert (missing.status_code, "NoSuchKey" in missing.text) == (404, True)


def test_lake_counts_requests_and_refuses_other_methods(client: httpx.Client) -> None:
    with LakeServer(ChainLake(Chain(SOURCE, closed=LAST))) as server:
        head, whole = (client.request(each, f"{server.url}/{OBJECT}") for each in ("HEAD", "GET"))
        assert head.content == b""
        assert head.headers["content-length"] == str(len(whole.content))
        client.get(f"{server.url}/.config.json")
        assert client.put(f"{server.url}/{OBJECT}", content=b"x").status_code == 405
        assert server.calls == {"object": 2, "manifest": 1}


def test_lake_fails_as_bids_its_schedule(get: Get) -> None:
    assert get("object:1=404").status_code == 404
    assert get("manifest:*=403", ".config.json").status_code == 403
    busy = get("object:1=503/2")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
    page = get("manifest:1=html/200", ".config.json")
    assert page.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        page.json()
    assert get("object:2=404").status_code == 200
    for broken in ("truncate", "drop"):
        with pytest.raises(httpx.TransportError):
            get(f"object:1={broken}")


def test_manifest_of_another_lake(get: Get) -> None:
    assert "Not the" in get("manifest:1=network", ".config.json").json()["networkPassphrase"]
    assert get("manifest:1=other_layout", ".config.json").json()["ledgersPerBatch"] == 2


def test_object_that_is_not_what_its_key_says(get: Get) -> None:
    sound = get("").content
    assert get("object:1=cut").content == sound[: len(sound) // 2]
    assert get("object:1=other_ledgers").content == get("", NEXT).content
    assert sequence(get("object:1=other_ledgers", f"{FOLDER}/FFFFFFFA--5.xdr.zst").content) == 4
    whole, changed = (
        zstandard.decompress(each) for each in (sound, get("object:1=tampered/99").content)
    )
    assert sum(one != other for one, other in zip(whole, changed, strict=True)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("getEvents", "drop"),
        Fault("object", "behind", amount=1),
        Fault("object", "other_layout"),
        Fault("*", "tampered"),
    ],
)
def test_lake_refuses_faults_that_no_file_can_have(fault: Fault) -> None:
    with pytest.raises(ConfigurationError):
        LakeServer(ChainLake(Chain(SOURCE, closed=1)), faults=[fault])


def test_page_of_ledgers_that_a_gateway_bounds(client: httpx.Client) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "getLedgers", "params": {"startLedger": 2}}
    faults = parse_faults("getLedgers:1=bound/10000")
    with DevnetServer(Chain(SOURCE, closed=LAST), faults=faults) as server:
        bounded, whole = (client.post(server.url, json=asked).json()["result"] for _ in range(2))
    assert bounded == {**whole, "ledgers": whole["ledgers"][:1], "cursor": "2"}
    assert [item["sequence"] for item in whole["ledgers"]] == [2, 3, 4, 5]


def test_commands_write_a_lake_and_serve_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], client: httpx.Client
) -> None:
    arguments = ["lake", str(tmp_path), "--transactions-per-ledger", "1", "--last", "3"]
    assert main([*arguments, "--ledgers-per-batch", "2"]) == 0
    assert f"lake: {tmp_path} ledgers 1-3, 2 object(s)" in capsys.readouterr().out
    with make_lake_server([str(tmp_path), "--faults", "object:2=404"]) as server:
        url = f"{server.url}/FFFFFFFF--0-127999/FFFFFFFD--2-3.xdr.zst"
        answers = [client.get(url) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 404]
    assert sequence(answers[0].content) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--ledger-file", "x"], "needs --passphrase"),
        (["--ledger-file", "x", "--recording", "y"], "not both"),
        (["--first-ledger", "5", "--ledgers-per-batch", "4", "--last", "6"], "is not whole"),
    ],
)
def test_command_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    with pytest.raises(SystemExit):
        main(["lake", str(tmp_path), *arguments])
    assert text in capsys.readouterr().err
