"""Ledger entries and keys of every type: read, or walked past to their last byte."""

from typing import Any

import pytest
from stellar_sdk import StrKey, xdr

from sorobanflow.decode.entries import (
    WALKS,
    is_instance,
    read_entry,
    read_key,
    skip_entry,
)
from sorobanflow.decode.reader import whole
from sorobanflow.errors import DecodeError
from tests.unit.meta_xdr import (
    ACCOUNT,
    ASSET,
    CODE,
    CODE_EXT,
    DATA,
    DATA_KEY,
    TRUSTLINE,
    TTL,
    WASM_HASH,
    entry,
)
from tests.unit.wire_items import ALICE, BOB, TOKEN

PAYLOAD = StrKey.encode_ed25519_signed_payload(bytes(32) + b"\0\0\0\3abc\0")
SIGNERS = [
    *(BOB, StrKey.encode_pre_auth_tx(b"t" * 32), StrKey.encode_sha256_hash(b"x" * 32)),
    *(PAYLOAD, StrKey.encode_ed25519_signed_payload(bytes(32) + b"\0\0\0\x40" + b"p" * 64)),
]
POOL = StrKey.encode_liquidity_pool(b"p" * 32)
BALANCE = StrKey.encode_claimable_balance(bytes(1) + b"b" * 32)
PREDICATE = {
    "and": [
        {"or": ["unconditional", {"before_absolute_time": "5"}]},
        {"not": {"not": {"before_relative_time": "-6"}}},
    ]
}
CODE12 = {"credit_alphanum12": {"asset_code": "LONGERCODE12", "issuer": BOB}}
CLASSIC: dict[str, Any] = {
    "offer": {
        "seller_id": ALICE,
        "offer_id": "1",
        "selling": "native",
        "buying": CODE12,
        "amount": "5",
        "price": {"n": 1, "d": 2},
        "flags": 1,
        "ext": "v0",
    },
    "data": {"account_id": ALICE, "data_name": "n" * 63, "data_value": "01", "ext": "v0"},
    "claimable_balance": {
        "balance_id": BALANCE,
        "claimants": [
            {"claimant_type_v0": {"destination": ALICE, "predicate": PREDICATE}},
            {"claimant_type_v0": {"destination": BOB, "predicate": "unconditional"}},
        ],
        "asset": ASSET,
        "amount": "5",
        "ext": {"v1": {"ext": "v0", "flags": 1}},
    },
    "liquidity_pool": {
        "liquidity_pool_id": POOL,
        "body": {
            "liquidity_pool_constant_product": {
                "params": {"asset_a": "native", "asset_b": ASSET, "fee": 30},
                "reserve_a": "1",
                "reserve_b": "2",
                "total_pool_shares": "3",
                "pool_shares_trust_line_count": "4",
            }
        },
    },
}
CLASSIC_KEYS: dict[str, Any] = {
    "offer": {"seller_id": ALICE, "offer_id": "1"},
    "data": {"account_id": ALICE, "data_name": "n" * 63},
    "claimable_balance": {"balance_id": BALANCE},
    "liquidity_pool": {"liquidity_pool_id": POOL},
}
SETTING: Any = {"live_soroban_state_size_window": ["1", "2"]}
SETTING_KEY: Any = {"config_setting_id": "freeze_bypass_txs_delta"}
ASSETS = [
    *("native", ASSET, CODE12, {"pool_share": POOL}),
    {"credit_alphanum4": {"asset_code": "", "issuer": BOB}},
    {"credit_alphanum12": {"asset_code": "FIVE5", "issuer": BOB}},
]


def entry_xdr(name: str, body: Any, sponsor: str | None = None) -> bytes:
    return xdr.LedgerEntry.from_json_dict(entry(name, body, sponsor)).to_xdr_bytes()


def key_xdr(name: str, body: Any) -> bytes:
    return xdr.LedgerKey.from_json_dict({name: body}).to_xdr_bytes()


def read(data: bytes) -> Any:
    """Read a whole LedgerEntry, and see that walking past it ends at the same byte."""
    assert skip_entry(data, 0) == len(data)
    return whole("LedgerEntry", read_entry)(data)


@pytest.mark.parametrize(
    ("name", "body", "key"),
    [
        ("account", ACCOUNT, {"account_id": ALICE}),
        ("account", ACCOUNT | {"inflation_dest": None, "ext": "v0"}, {"account_id": ALICE}),
        ("trustline", TRUSTLINE, {"account_id": ALICE, "asset": ASSET}),
        *((name, CLASSIC[name], CLASSIC_KEYS[name]) for name in CLASSIC),
    ],
)
def test_read_entry_gives_the_sep_51_body(name: str, body: Any, key: Any) -> None:
    found = read(entry_xdr(name, body))
    assert found == (name, key, body, None, None)


@pytest.mark.parametrize("signer", SIGNERS)
def test_read_entry_gives_every_kind_of_signer(signer: str) -> None:
    body = ACCOUNT | {"signers": [{"key": signer, "weight": 1}] * 20}
    assert read(entry_xdr("account", body)).entry == body


@pytest.mark.parametrize("asset", ASSETS, ids=str)
def test_read_entry_gives_every_kind_of_asset(asset: Any) -> None:
    body = TRUSTLINE | {"asset": asset, "ext": "v0"}
    assert read(entry_xdr("trustline", body)).key == {"account_id": ALICE, "asset": asset}


def test_asset_code_that_is_no_text_is_escaped() -> None:
    twelve = {"credit_alphanum12": {"asset_code": "ABC\0\0", "issuer": BOB}}
    short = read(entry_xdr("trustline", TRUSTLINE | {"asset": twelve}))
    assert short.key["asset"]["credit_alphanum12"]["asset_code"] == "ABC\\0\\0"
    data = entry_xdr("trustline", TRUSTLINE).replace(b"USD\0", b"U\xff\\\0")
    assert read(data).key["asset"]["credit_alphanum4"]["asset_code"] == "U\\xff\\\\"


def test_read_entry_gives_contract_data() -> None:
    found = read(entry_xdr("contract_data", DATA))
    assert (found.key, found.entry) == (DATA_KEY, DATA)


def test_read_entry_gives_contract_code_without_its_wasm() -> None:
    found = read(entry_xdr("contract_code", CODE))
    assert found.entry == {"ext": CODE_EXT, "hash": WASM_HASH}
    assert (found.key, found.wasm) == ({"hash": WASM_HASH}, b"\0asm\1")


def test_read_entry_gives_a_time_to_live_with_the_hash_that_it_is_of() -> None:
    found = read(entry_xdr("ttl", TTL))
    assert found == ("ttl", {"key_hash": "ef" * 32}, TTL, None, None)


@pytest.mark.parametrize(
    ("contract", "key", "meant"),
    [
        (TOKEN, "ledger_key_contract_instance", True),
        (ALICE, "ledger_key_contract_instance", True),
        (TOKEN, {"u32": 20}, False),
        (ALICE, {"u32": 20}, False),
        (TOKEN, {"symbol": "k"}, False),
    ],
)
def test_key_of_an_instance_is_known(contract: str, key: Any, meant: bool) -> None:
    body = {"contract": contract, "key": key, "durability": "persistent"}
    assert is_instance(key_xdr("contract_data", body)) == meant


def test_read_entry_names_the_sponsor() -> None:
    assert read(entry_xdr("ttl", TTL, sponsor=BOB)).sponsor == BOB
    unsponsored = entry("ttl", TTL) | {"ext": {"v1": {"sponsoring_id": None, "ext": "v0"}}}
    assert read(xdr.LedgerEntry.from_json_dict(unsponsored).to_xdr_bytes()).sponsor is None


def test_entries_and_keys_of_network_settings_are_walked_past() -> None:
    assert read(entry_xdr("config_setting", SETTING)) is None
    assert whole("LedgerKey", read_key)(key_xdr("config_setting", SETTING_KEY)).key == SETTING_KEY


@pytest.mark.parametrize(
    ("name", "body", "key"),
    [
        ("trustline", TRUSTLINE, {"account_id": ALICE, "asset": ASSET}),
        ("contract_data", DATA, DATA_KEY),
        ("contract_code", CODE, {"hash": WASM_HASH}),
        ("ttl", TTL, {"key_hash": "ef" * 32}),
        *((name, CLASSIC[name], CLASSIC_KEYS[name]) for name in CLASSIC),
    ],
)
def test_walk_finds_the_key_of_an_entry(name: str, body: Any, key: Any) -> None:
    data, wanted = entry_xdr(name, body, sponsor=BOB), key_xdr(name, key)
    start, end, entry_end = WALKS[wanted[3]](data, 0)
    assert (data[start:end], entry_end) == (wanted[4:], len(data))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("account", {"account_id": ALICE}),
        ("trustline", {"account_id": ALICE, "asset": ASSET}),
        *CLASSIC_KEYS.items(),
        ("contract_data", DATA_KEY),
        ("contract_code", {"hash": WASM_HASH}),
        ("ttl", {"key_hash": "ef" * 32}),
    ],
)
def test_read_key_gives_the_sep_51_body(name: str, key: Any) -> None:
    found = whole("LedgerKey", read_key)(key_xdr(name, key))
    assert found is not None
    assert (found.type, found.key) == (name, key)
    assert (found.entry, found.wasm) == (None, None)


@pytest.mark.parametrize(
    ("name", "body", "old", "new", "reason"),
    [
        ("ttl", TTL, "00000005 00000009", "00000005 0000000a", "LedgerEntryType has no value 10"),
        (
            "contract_data",
            DATA,
            "00000000 00000003 00000007",
            "00000002 00000003 00000007",
            "value 2",
        ),
        (
            "account",
            ACCOUNT,
            "00000003 00000000 00000009",
            "00000004 00000000 00000009",
            "no arm 4",
        ),
    ],
)
def test_read_entry_refuses(name: str, body: Any, old: str, new: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        whole("LedgerEntry", read_entry)(altered(name, body, old, new))


def test_flag_of_a_value_is_checked_where_it_is_skipped() -> None:
    end = "00000000 00000000 0000000%d 00000000"  # temporary, a bool, and the entry's extension
    data = altered("contract_data", DATA | {"val": {"bool": True}}, end % 1, end % 2)
    with pytest.raises(ValueError, match="flag 2"):
        skip_entry(data, 0)


def test_predicates_do_not_nest_without_end() -> None:
    data = entry_xdr("claimable_balance", CLASSIC["claimable_balance"])
    unconditional, deep = bytes(4), bytes.fromhex("00000003 00000001") * 10_000
    at = data.index(xdr.ClaimPredicate.from_json_dict(PREDICATE).to_xdr_bytes())
    with pytest.raises(DecodeError, match="ClaimPredicate"):
        whole("LedgerEntry", read_entry)(data[:at] + deep + unconditional + data[at:])


def altered(name: str, body: Any, old: str, new: str) -> bytes:
    data = entry_xdr(name, body)
    assert data.count(bytes.fromhex(old)) == 1
    return data.replace(bytes.fromhex(old), bytes.fromhex(new))


BOB_ID = "00000000" + StrKey.decode_ed25519_public_key(BOB).hex()
TOO_MANY = {
    "21 sponsors of signers": (
        *("account", ACCOUNT, "00000002 00000000 00000001" + BOB_ID),
        "00000015" + "00000000" * 21,
    ),
    "21 signers": (
        *("account", ACCOUNT, "00000001" + BOB_ID + "000000ff"),
        "00000015" + (BOB_ID + "000000ff") * 21,
    ),
    "3 predicates": (
        *("claimable_balance", CLASSIC["claimable_balance"]),
        *("00000002 00000002 00000000", "00000002 00000003 00000000 00000000"),
    ),
    "65 bytes of payload": (
        "account",
        ACCOUNT | {"signers": [{"key": SIGNERS[-1], "weight": 1}]},
        *("00000040" + "70" * 64, "00000041" + "70" * 65 + "000000"),
    ),
    "33 bytes of domain": (
        "account",
        ACCOUNT | {"home_domain": "d" * 32},
        *("00000020" + "64" * 32, "00000021" + "64" * 33 + "000000"),
    ),
}


@pytest.mark.parametrize("case", TOO_MANY)
def test_read_entry_refuses_more_than_the_type_allows(case: str) -> None:
    data = altered(*TOO_MANY[case])
    with pytest.raises(DecodeError, match=r"at most|ClaimPredicate"):
        whole("LedgerEntry", read_entry)(data)
    with pytest.raises(ValueError, match=r"at most|ClaimPredicate"):
        skip_entry(data, 0)
