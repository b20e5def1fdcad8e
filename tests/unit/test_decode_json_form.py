"""The node's JSON gives what base64 gives; the values are written as Rust's stellar-xdr does."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from stellar_sdk import xdr

from sorobanflow.decode.changes import Change, Refund
from sorobanflow.decode.encode import encode_scval
from sorobanflow.decode.json_form import (
    read_json,
    read_meta_json,
    read_topics_json,
)
from sorobanflow.decode.metas import read_meta
from sorobanflow.decode.scval import read_scval
from sorobanflow.errors import DecodeError
from tests.unit.wire_items import ALICE, BOB, TOKEN

HASH = "ab" * 32
ACCOUNT = {
    "account_id": ALICE,
    "balance": "7",
    "seq_num": "1",
    "num_sub_entries": 0,
    "inflation_dest": None,
    "flags": 0,
    "home_domain": r"a\0b",
    "thresholds": "01000000",
    "signers": [],
    "ext": "v0",
}
TRUSTLINE = {
    "account_id": ALICE,
    "asset": {"credit_alphanum4": {"asset_code": "USD", "issuer": BOB}},
    "balance": "5",
    "limit": "9",
    "flags": 1,
    "ext": "v0",
}
DATA_KEY = {"contract": TOKEN, "key": {"vec": [{"symbol": "Balance"}]}, "durability": "persistent"}
INSTANCE_KEY = DATA_KEY | {"key": "ledger_key_contract_instance"}
OFFER = {
    "seller_id": ALICE,
    "offer_id": "1",
    "selling": "native",
    "buying": "native",
    "amount": "1",
    "price": {"n": 1, "d": 1},
    "flags": 0,
    "ext": "v0",
}
FEES = {
    "v1": {
        "ext": "v0",
        "total_non_refundable_resource_fee_charged": "11",
        "total_refundable_resource_fee_charged": "22",
        "rent_fee_charged": "5",
    }
}


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def entry(sponsor: str | None = None, **data: Any) -> dict[str, Any]:
    ext = {"v1": {"sponsoring_id": sponsor, "ext": "v0"}} if sponsor else "v0"
    return {"last_modified_ledger_seq": 9, "data": data, "ext": ext}


def instance(number: int) -> dict[str, Any]:
    executable = {
        "executable": {"wasm": HASH},
        "storage": [{"key": {"u32": number}, "val": "void"}],
    }
    return entry(
        contract_data={"ext": "v0", **INSTANCE_KEY, "val": {"contract_instance": executable}}
    )


CHANGES = [
    {"state": entry(account=ACCOUNT)},
    {"updated": entry(account=ACCOUNT)},
    {"created": entry(BOB, trustline=TRUSTLINE)},
    {"removed": {"trustline": {name: TRUSTLINE[name] for name in ("account_id", "asset")}}},
    {"created": entry(offer=OFFER)},
    {"created": entry(contract_data={"ext": "v0", **DATA_KEY, "val": {"i128": "-3"}})},
    {"removed": {"contract_data": DATA_KEY}},
    {"created": entry(contract_code={"ext": "v0", "hash": HASH, "code": "0061736d"})},
    {"removed": {"contract_code": {"hash": HASH}}},
    {"restored": entry(ttl={"key_hash": HASH, "live_until_ledger_seq": 77})},
    {"removed": {"ttl": {"key_hash": HASH}}},
    {"state": instance(1)},
    {"updated": instance(2)},
    {"updated": instance(3)},
    {"removed": {"contract_data": INSTANCE_KEY}},
]
V2 = {"tx_changes_before": CHANGES[:2], "operations": [], "tx_changes_after": CHANGES[7:]}
OPERATIONS = [{"changes": CHANGES}, {"changes": CHANGES[:3]}]
SOROBAN_V3 = {"ext": FEES, "events": [], "return_value": "void", "diagnostic_events": []}


def fee_event(amount: str, stage: str = "after_all_txs", who: str = ALICE) -> dict[str, Any]:
    """A TransactionEvent as the node writes it; stellar-sdk wants no contract here."""
    topics = [{"symbol": "fee"}, {"address": who}]
    body = {"v0": {"topics": topics, "data": {"i128": amount}}}
    event = {"ext": "v0", "contract_id": None, "type": "contract", "body": body}
    return {"stage": stage, "event": event}


def v4(operations: list[Any], events: list[Any] | None = None) -> dict[str, Any]:
    return {
        "ext": "v0",
        **V2,
        "operations": [{"ext": "v0", **each, "events": []} for each in operations],
        "soroban_meta": {"ext": "v0", "return_value": None},
        "events": events or [],
        "diagnostic_events": [],
    }


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param({"v0": OPERATIONS}, id="v0"),
        pytest.param({"v1": {"tx_changes": CHANGES, "operations": OPERATIONS}}, id="v1"),
        pytest.param({"v2": V2 | {"operations": OPERATIONS}}, id="v2"),
        pytest.param({"v3": {"ext": "v0", **V2, "soroban_meta": None}}, id="v3 classic"),
        pytest.param({"v3": {"ext": "v0", **V2, "soroban_meta": SOROBAN_V3}}, id="v3"),
        pytest.param({"v4": v4(OPERATIONS)}, id="v4"),
        pytest.param(
            {"v4": v4([], [fee_event("5", "before_all_txs"), fee_event("-3"), fee_event("3")])},
            id="v4 events",
        ),
    ],
)
def test_meta_is_that_of_base64(meta: dict[str, Any]) -> None:
    text = xdr.TransactionMeta.from_json_dict(meta).to_xdr()
    assert read_meta_json(raw(meta)) == read_meta(text)


def changes_of(*items: Any) -> list[Change]:
    return read_meta_json(raw({"v0": [{"changes": items}]})).changes


def test_changes_keep_their_index_among_all_items() -> None:
    places = [(change.op_order, change.change_order) for change in changes_of(*CHANGES)]
    assert places == [(1, order) for order in (1, 2, 3, 5, 6, 7, 8, 9, 10, 12, 13, 14)]


def test_contract_data_has_its_xdr_and_the_hash_of_its_key() -> None:
    [change] = changes_of(CHANGES[5])
    key_xdr = bytes.fromhex("00000010 00000001 00000001 0000000f 00000007") + b"Balance\0"
    assert change.key_xdr == key_xdr
    assert change.value_xdr == bytes.fromhex("0000000a" + "ff" * 15 + "fd")
    contract = xdr.SCAddress.from_json_dict(TOKEN).to_xdr_bytes()
    ledger_key = bytes.fromhex("00000006") + contract + key_xdr + bytes.fromhex("00000001")
    assert change.key_hash == hashlib.sha256(ledger_key).hexdigest()


def test_contract_code_is_bytes_and_leaves_its_entry() -> None:
    [change] = changes_of(CHANGES[7])
    assert change.value_xdr == b"\0asm"
    assert change.entry == {"ext": "v0", "hash": HASH}


def test_instance_knows_what_it_was_before() -> None:
    updated, again, removed = changes_of(*CHANGES[11:])
    storage = [
        change.before["contract_instance"]["storage"][0]["key"]
        for change in (updated, again, removed)
    ]
    assert storage == [{"u32": 1}, {"u32": 2}, {"u32": 3}]
    [alone] = changes_of(CHANGES[12])
    assert alone.before is None


def test_sponsor_and_removed_entries() -> None:
    created, removed = changes_of(CHANGES[2], CHANGES[3])
    assert (created.sponsor, removed.sponsor) == (BOB, None)
    assert created.key == removed.key
    assert removed.entry is None


def test_refunds_are_negative_fees_behind_all_transactions() -> None:
    events = [fee_event("-3", who=BOB), fee_event("-4"), fee_event("-5", who=TOKEN)]
    meta = read_meta_json(raw({"v4": v4([], events)}))
    assert meta.refunds == [Refund(BOB, 3), Refund(ALICE, 4)]


@pytest.mark.parametrize(
    "value",
    [
        {"vec": None},
        {"map": None},
        {"vec": [{"map": [{"key": {"vec": []}, "val": {"string": r"\xff\\"}}]}, "void"]},
        {"contract_instance": {"executable": "stellar_asset", "storage": None}},
        "ledger_key_contract_instance",
        {"error": {"contract": 4}},
        {"u256": str(2**256 - 1)},
    ],
)
def test_encoded_values_read_back(value: Any) -> None:
    assert read_scval(encode_scval(value)) == value


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param({}, id="no arm"),
        pytest.param({"v0": [], "v2": V2}, id="two arms"),
        pytest.param({"v5": {}}, id="unknown version"),
        pytest.param([], id="no union"),
        pytest.param({"v2": {"operations": []}}, id="fields missing"),
        pytest.param({"v0": [{"changes": [{"moved": entry(account=ACCOUNT)}]}]}, id="no change"),
        pytest.param({"v0": [{"changes": [{"created": {}}]}]}, id="no entry"),
        pytest.param({"v0": [{"changes": [{"created": entry(account={})}]}]}, id="no account"),
        pytest.param({"v0": [{"changes": [{"removed": {"contract_data": 5}}]}]}, id="no key"),
        pytest.param({"v0": [{"changes": ["created"]}]}, id="no entry at all"),
    ],
)
def test_meta_of_another_shape_is_refused(meta: Any) -> None:
    with pytest.raises(DecodeError, match="resultMetaJson"):
        read_meta_json(raw(meta))


def test_what_is_missing_or_nests_too_deeply_is_refused() -> None:
    deep = msgspec.Raw(b"[" * 5000 + b"]" * 5000)
    for read in (lambda text: read_json("valueJson", text), read_topics_json, read_meta_json):
        with pytest.raises(DecodeError):
            read(deep)
    with pytest.raises(DecodeError, match="neither base64 XDR nor valueJson"):
        read_json("valueJson", msgspec.Raw())


def test_value_in_a_contract_that_nests_too_deeply_is_refused() -> None:
    value: Any = "void"
    for _ in range(450):
        value = {"vec": [value]}
    data = {"ext": "v0", **DATA_KEY, "val": value}
    meta = msgspec.json.encode({"v0": [{"changes": [{"created": entry(contract_data=data)}]}]})
    with pytest.raises(DecodeError, match="RecursionError"):
        read_meta_json(msgspec.Raw(meta))


def test_topics_may_be_absent() -> None:
    assert read_topics_json(msgspec.Raw()) == []
    assert read_topics_json(raw([{"u32": 1}])) == [{"u32": 1}]
