"""What no indexed ledger tells of tokens, contracts and Wasms: a node says it."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text
from stellar_sdk import StrKey, xdr

from sorobanflow.contracts.asking import (
    ask_for_unknown_contracts,
    ask_for_unknown_wasms,
    read_answers,
)
from sorobanflow.decode.encode import instance_key
from sorobanflow.devnet import Chain, DevnetServer, ListedLedgers
from sorobanflow.devnet.supply import Network
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.state_rows import TokenBalanceRow, TokenRow
from sorobanflow.rows.token_state import MAX_TEXT
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.wire import LedgerEntries
from sorobanflow.store.answers import read_unknown_wasms
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.upsert import upsert_batch
from tests.unit.state_items import PASSPHRASE, USDC_CONTRACT, USDC_ISSUER
from tests.unit.wire_items import ALICE, TOKEN

USDC = f"USDC:{USDC_ISSUER}"
LIAR, GONE = (StrKey.encode_contract(bytes([number] * 32)) for number in (1, 2))
CODE = b"\0asm\1\0\0\0"
WASM = {"wasm": sha256(CODE).hexdigest()}
OTHER, LACKING = "ab" * 32, "cd" * 32  # hashes of a Wasm that the node gives wrong, and of none
Query = Callable[[str], list[Any]]


def entry_of(contract: str, executable: Any, name: str, symbol: str) -> dict[str, Any]:
    """The LedgerEntryData of an instance that describes a token of 18 decimals."""
    fields = {"decimal": {"u32": 18}, "name": {"string": name}, "symbol": {"string": symbol}}
    entries = [{"key": {"symbol": key}, "val": value} for key, value in fields.items()]
    storage = [{"key": {"symbol": "METADATA"}, "val": {"map": entries}}]
    return {
        "contract_data": {
            "ext": "v0",
            "contract": contract,
            "key": "ledger_key_contract_instance",
            "durability": "persistent",
            "val": {"contract_instance": {"executable": executable, "storage": storage}},
        }
    }


def code_of(wasm_hash: str) -> dict[str, Any]:
    """The LedgerEntryData of a Wasm."""
    return {"contract_code": {"ext": "v0", "hash": wasm_hash, "code": CODE.hex()}}


ENTRIES = [
    entry_of(TOKEN, WASM, "Gold", "GLD"),
    entry_of(USDC_CONTRACT, "stellar_asset", USDC, "USDC"),
    entry_of(LIAR, {"wasm": OTHER}, USDC, "USDC"),
    code_of(WASM["wasm"]),
    code_of(OTHER),
]


@pytest.fixture
def server() -> Iterator[DevnetServer]:
    """A node that has three of the four contracts and two Wasms; its newest ledger is 5."""
    made = [xdr.LedgerEntryData.from_json_dict(entry) for entry in ENTRIES]
    entries = {key_of(data): data.to_xdr_bytes() for data in made}
    supply = ListedLedgers([], 1, 5, Network(PASSPHRASE, 23), entries)
    with DevnetServer(Chain(supply)) as running:
        yield running


def key_of(data: xdr.LedgerEntryData) -> bytes:
    """The LedgerKey of contract data or code, by way of stellar-sdk."""
    if (code := data.contract_code) is not None:
        return xdr.LedgerKey(
            data.type, contract_code=xdr.LedgerKeyContractCode(code.hash)
        ).to_xdr_bytes()
    entry = data.contract_data
    assert entry is not None
    body = xdr.LedgerKeyContractData(entry.contract, entry.key, entry.durability)
    return xdr.LedgerKey(data.type, contract_data=body).to_xdr_bytes()


@pytest.fixture
def query(engine: Engine) -> Query:
    """Read from a database in which Alice holds one of each of the four tokens."""
    contracts = sorted([TOKEN, USDC_CONTRACT, LIAR, GONE])
    batch = BatchRows(LedgerRange(4, 4))
    batch.token_balances = [
        TokenBalanceRow(one, ALICE, 1, None, None, None, "contract_data", False, 4, 1, 1, 0)
        for one in contracts
    ]
    batch.tokens = [TokenRow(one, None) for one in contracts]
    open_stream(engine, Stream())
    upsert_batch(engine, batch, "all")

    def read(statement: str) -> list[Any]:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    return read


def test_unknown_tokens_are_asked_for_once_and_named(
    engine: Engine, server: DevnetServer, query: Query
) -> None:
    with RpcClient(server.url) as client:
        for _ in range(2):
            ask_for_unknown_contracts(client, engine, PASSPHRASE)
    assert server.calls["getLedgerEntries"] == 1
    named = query("SELECT contract_id, name, decimals, asset FROM balances ORDER BY 2, 4")
    assert named == [
        (TOKEN, "Gold", 18, None),
        (USDC_CONTRACT, USDC, 18, USDC),
        (LIAR, USDC, 18, None),  # it may call itself so, and is no asset
        (GONE, None, None, None),
    ]
    assert query("SELECT ledger, name IS NULL FROM token_answers ORDER BY 1") == [
        *[(1, False)] * 3,
        (5, True),
    ]


def test_contracts_are_asked_for_what_they_run_and_the_filters_again(
    engine: Engine, server: DevnetServer, query: Query
) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE tokens"))
        connection.execute(text("INSERT INTO contract_executables VALUES " + _CREATED))
        add = "INSERT INTO contracts VALUES (:id)"
        connection.execute(text(add), [{"id": one} for one in (TOKEN, USDC_CONTRACT, LIAR, GONE)])
    with RpcClient(server.url) as client:
        for named in ((), (), (USDC_CONTRACT,)):
            ask_for_unknown_contracts(client, engine, PASSPHRASE, named)
    assert server.calls["getLedgerEntries"] == 2
    answers = "SELECT contract_id, last_modified_ledger, wasm_hash, asked_ledger"
    assert query(f"{answers} FROM contract_answers ORDER BY 3") == [
        (TOKEN, 1, WASM["wasm"], 5),
        (USDC_CONTRACT, 1, "stellar-asset", 5),
        (GONE, 5, None, 5),
    ]
    assert query("SELECT * FROM token_answers") == []
    assert read_unknown_wasms(engine, 9) == [WASM["wasm"]]
    ran = "SELECT first_ledger, last_ledger, last_tx > 1048577, wasm_hash, source"
    assert query(f"{ran} FROM contract_wasms WHERE contract_id = '{TOKEN}'") == [
        (2, 5, True, WASM["wasm"], "node")
    ]


_CREATED = f"('{LIAR}', 4, 1, 1, 0, 'created', '{OTHER}', NULL)"


def test_a_contract_is_asked_for_once_more_after_a_hole(
    engine: Engine, server: DevnetServer, query: Query
) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE tokens"))
        connection.execute(text("UPDATE coverage SET ledgers = '{[1,3),[4,5)}'"))
        created = _CREATED.replace(" 4,", " 1,")
        connection.execute(text("INSERT INTO contract_executables VALUES " + created))
        connection.execute(text("INSERT INTO contracts VALUES (:id)"), {"id": LIAR})
    ledgers = f"SELECT first_ledger, last_ledger, source FROM stored.wasms_of('{LIAR}')"
    assert query(ledgers) == [(1, 2, "ledgers")]
    with RpcClient(server.url) as client:
        for _ in range(2):
            ask_for_unknown_contracts(client, engine, PASSPHRASE)
    assert server.calls["getLedgerEntries"] == 1
    assert query(ledgers) == [(1, 5, "ledgers")]


def test_wasms_are_read_where_their_hash_proves_them(
    engine: Engine, server: DevnetServer, query: Query
) -> None:
    with engine.begin() as connection:
        add = "INSERT INTO contract_specs (wasm_hash) VALUES (:hash)"
        hashes = (WASM["wasm"], OTHER, LACKING)
        connection.execute(text(add), [{"hash": one} for one in hashes])
    with RpcClient(server.url) as client:
        for _ in range(2):
            ask_for_unknown_wasms(client, engine)
    assert server.calls["getLedgerEntries"] == 3
    assert query("SELECT wasm_hash FROM contract_specs WHERE asked_ledger = 5 ORDER BY 1") == [
        (OTHER,),
        (LACKING,),
    ]
    [(wasm_hash, problems)] = query(
        "SELECT wasm_hash, problems FROM contract_specs WHERE problems IS NOT NULL"
    )
    assert wasm_hash == WASM["wasm"]
    assert "contractspecv0" in problems[0]
    assert query("SELECT * FROM contract_code") == []


def test_answer_of_a_node_that_is_behind_is_not_kept(
    engine: Engine, server: DevnetServer, query: Query
) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO ledgers VALUES (6, now(), 0, 0)"))
    with RpcClient(server.url) as client:
        ask_for_unknown_contracts(client, engine, PASSPHRASE)
    assert query("SELECT * FROM token_answers") == []


def test_entries_that_were_not_asked_for_or_are_no_token_name_nothing(
    server: DevnetServer,
) -> None:
    keys = [instance_key(contract) for contract in (TOKEN, USDC_CONTRACT)]
    with RpcClient(server.url) as client:
        page = client.get_ledger_entries(keys)
    assert page.entries is not None
    good = msgspec.json.decode(page.entries[0])
    page.entries += [msgspec.Raw(b'{"xdr":7}'), msgspec.Raw(b'{"xdr":"AAAA"}')]
    ([answer, absent], _) = read_answers([TOKEN, GONE], page, PASSPHRASE)
    assert answer == (TOKEN, "Gold", "GLD", 18, None, good["lastModifiedLedgerSeq"])
    assert absent == (GONE, None, None, None, None, 5)


@pytest.mark.parametrize(("length", "name"), [(MAX_TEXT, "x" * MAX_TEXT), (MAX_TEXT + 1, None)])
def test_long_names_are_left_out(length: int, name: str | None) -> None:
    data = xdr.LedgerEntryData.from_json_dict(entry_of(TOKEN, WASM, "x" * length, "X")).to_xdr()
    item = msgspec.json.encode({"xdr": data, "lastModifiedLedgerSeq": 3})
    page = LedgerEntries(5, [msgspec.Raw(item)])
    assert read_answers([TOKEN], page, PASSPHRASE)[0][0].name == name
