"""TransactionMetas of every version: what is read, in which order, and what is refused."""

import base64
import time
from hashlib import sha256
from typing import Any

import pytest
from stellar_sdk import StrKey, xdr

from sorobanflow.decode.changes import OP_AFTER, OP_BEFORE, Meta, Refund
from sorobanflow.errors import DecodeError
from tests.unit.meta_xdr import (
    ACCOUNT,
    CODE,
    DATA,
    DATA_KEY,
    TRUSTLINE,
    TTL,
    entry,
    event,
    instance,
    meta,
    meta_v4,
    operation,
)
from tests.unit.sep51 import read_meta
from tests.unit.wire_items import ALICE, ALICE_MUXED, BOB, TOKEN

CREATED = {"created": entry("ttl", TTL)}
UPDATED = {"updated": entry("account", ACCOUNT)}
STATE = {"state": entry("account", ACCOUNT)}
REMOVED = {"removed": {"contract_data": DATA_KEY}}
RESTORED = {"restored": entry("contract_code", CODE, sponsor=BOB)}
SETTING_REMOVED = {"removed": {"config_setting": {"config_setting_id": "state_archival"}}}
POOL_KEY = {"liquidity_pool_id": StrKey.encode_liquidity_pool(b"p" * 32)}
BALANCE_KEY = {"balance_id": StrKey.encode_claimable_balance(bytes(1) + b"b" * 32)}
INSTANCE_KEY = {k: v for k, v in instance(0)["data"]["contract_data"].items() if k in DATA_KEY}
FEES = {
    "v1": {
        "ext": "v0",
        "total_non_refundable_resource_fee_charged": "11",
        "total_refundable_resource_fee_charged": "-22",
        "rent_fee_charged": "9223372036854775807",
    }
}
FEE = {"symbol": "fee"}
PAYER = {"address": ALICE}
EVENT = event([FEE, {"vec": [PAYER]}], {"map": [{"key": "void", "val": {"i128": "-5"}}]})
DIAGNOSTIC = {"in_successful_contract_call": True, "event": event([], "void", "diagnostic")}
BODY = {"ext": "v0", "tx_changes_before": [], "operations": [], "tx_changes_after": []}


def places(read: Meta) -> list[tuple[int, int, str, str]]:
    return [change[:4] for change in read.changes]


def in_one_operation(*changes: Any) -> Meta:
    return read_meta(meta_v4(operations=[operation(list(changes))]))


def after_all(inner: Any, stage: str = "after_all_txs") -> Meta:
    return read_meta(meta_v4(events=[{"stage": stage, "event": inner}]))


def test_read_meta_of_version_0_has_operations_only() -> None:
    read = read_meta(meta(0, [{"changes": [CREATED]}, {"changes": []}, {"changes": [UPDATED]}]))
    assert places(read) == [(1, 0, "created", "ttl"), (3, 0, "updated", "account")]
    assert (read.soroban_fees, read.refunds) == (None, [])


def test_read_meta_of_version_1_has_changes_before_the_operations() -> None:
    read = read_meta(meta(1, {"tx_changes": [UPDATED], "operations": [{"changes": [CREATED]}]}))
    assert places(read) == [(OP_BEFORE, 0, "updated", "account"), (1, 0, "created", "ttl")]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_read_meta_gives_changes_before_of_and_behind_the_operations(version: int) -> None:
    changes = {
        "tx_changes_before": [STATE, UPDATED],
        "tx_changes_after": [REMOVED, SETTING_REMOVED],
    }
    last = {} if version == 2 else {"ext": "v0", "soroban_meta": None}
    if version == 4:
        last |= {"events": [], "diagnostic_events": []}
    operations: list[Any] = [{"changes": [CREATED]}, {"changes": [STATE, STATE, RESTORED]}]
    if version == 4:
        operations = [operation(item["changes"], [EVENT, EVENT]) for item in operations]
    assert places(read_meta(meta(version, changes | last | {"operations": operations}))) == [
        (OP_BEFORE, 1, "updated", "account"),
        (1, 0, "created", "ttl"),
        (2, 2, "restored", "contract_code"),
        (OP_AFTER, 0, "removed", "contract_data"),
    ]


def test_a_change_holds_the_entry() -> None:
    (change,) = in_one_operation({"updated": entry("trustline", TRUSTLINE, sponsor=BOB)}).changes
    key = {name: TRUSTLINE[name] for name in ("account_id", "asset")}
    assert change.read() == ("trustline", key, TRUSTLINE, BOB, None)
    assert (change.key_hash, change.before_xdr) == (None, None)


def test_a_removal_holds_the_key_alone() -> None:
    (change,) = in_one_operation(REMOVED).changes
    assert change.read() == ("contract_data", DATA_KEY, None, None, None)
    assert change.key_xdr == xdr.LedgerKey.from_json_dict(REMOVED["removed"]).to_xdr_bytes()
    assert (change.key_hash, change.entry_xdr) == (sha256(change.key_xdr).digest(), None)


def test_a_change_of_an_instance_says_what_it_was_before() -> None:
    read = in_one_operation(
        {"state": instance(1)},
        {"updated": instance(2)},
        {"state": entry("contract_data", DATA)},
        {"updated": entry("contract_data", DATA)},
        {"updated": instance(3)},
        {"removed": {"contract_data": INSTANCE_KEY}},
    )
    before = [one and stored(one["val"]) for one in befores(read)]
    assert before == [1, None, 2, 3]


def test_an_instance_before_is_of_the_same_list_and_key() -> None:
    other = instance(1)
    other["data"]["contract_data"]["durability"] = "temporary"
    changes = [{"state": other}, {"updated": instance(2)}]
    read = read_meta(meta_v4(operations=[operation(changes), operation([{"updated": other}])]))
    assert befores(read) == [None, None]


def pool(fee: int) -> dict[str, Any]:
    product = {
        "params": {"asset_a": "native", "asset_b": TRUSTLINE["asset"], "fee": fee},
        "reserve_a": "1",
        "reserve_b": "2",
        "total_pool_shares": "3",
        "pool_shares_trust_line_count": "4",
    }
    return POOL_KEY | {"body": {"liquidity_pool_constant_product": product}}


def claimable(amount: int) -> dict[str, Any]:
    body = {"claimants": [], "asset": "native", "amount": f"{amount}", "ext": "v0"}
    return BALANCE_KEY | body


def test_a_removed_pool_or_claimable_balance_says_what_it_was() -> None:
    read = in_one_operation(
        {"state": entry("liquidity_pool", pool(30))},
        {"removed": {"liquidity_pool": POOL_KEY}},
        {"state": entry("claimable_balance", claimable(5))},
        {"removed": {"claimable_balance": BALANCE_KEY}},
        {"state": entry("liquidity_pool", pool(30))},
        {"updated": entry("liquidity_pool", pool(31))},
    )
    assert befores(read) == [pool(30), claimable(5), None]
    alone = in_one_operation({"removed": {"liquidity_pool": POOL_KEY}})
    assert befores(alone) == [None]


def befores(read: Meta) -> list[Any]:
    """What the changes carry of the entries before them."""
    found = [change.read_before() for change in read.changes]
    return [None if one is None else one.entry for one in found]


def stored(value: Any) -> int:
    (item,) = value["contract_instance"]["storage"]
    return int(item["val"]["u32"])


@pytest.mark.parametrize("fees", ["v0", FEES])
@pytest.mark.parametrize("returned", [None, "void", {"vec": [PAYER]}])
def test_read_meta_gives_the_fees_of_version_4(fees: Any, returned: Any) -> None:
    soroban = {"ext": fees, "return_value": returned}
    read = read_meta(meta_v4(soroban_meta=soroban, diagnostic_events=[DIAGNOSTIC, DIAGNOSTIC]))
    assert (read.soroban_fees, read.return_value) == (fees, returned)


@pytest.mark.parametrize("fees", ["v0", FEES])
def test_read_meta_gives_the_fees_of_version_3(fees: Any) -> None:
    soroban = {
        "ext": fees,
        "events": [EVENT],
        "return_value": {"u32": 9},
        "diagnostic_events": [DIAGNOSTIC],
    }
    read = read_meta(meta(3, BODY | {"soroban_meta": soroban}))
    assert (read.soroban_fees, read.return_value) == (fees, {"u32": 9})


def of_balance(balance: int, account: str = ALICE) -> dict[str, Any]:
    return entry("account", ACCOUNT | {"account_id": account, "balance": str(balance)})


@pytest.mark.parametrize(
    ("changes", "refund"),
    [
        ([], 0),
        ([{"state": of_balance(5)}, {"updated": of_balance(12)}], 7),
        ([{"state": of_balance(5)}, {"updated": of_balance(12)}] * 2, 7),
        ([{"state": of_balance(5)}, {"updated": of_balance(5)}, {"updated": of_balance(4)}], -1),
        ([{"updated": of_balance(12)}], None),
        ([{"state": of_balance(5)}], None),
        ([{"state": of_balance(5)}, {"removed": {"account": {"account_id": ALICE}}}], None),
        ([{"state": of_balance(5, BOB)}, {"updated": of_balance(12)}], None),
        ([{"state": of_balance(5)}, {"updated": of_balance(12)}, CREATED], None),
        ([{"state": entry("ttl", TTL)}, {"updated": of_balance(12)}], None),
        ([SETTING_REMOVED], None),
    ],
)
def test_changes_after_the_operations_of_one_account_are_its_refund(
    changes: list[Any], refund: int | None
) -> None:
    assert read_meta(meta_v4(tx_changes_after=changes)).refund_after == refund
    body = BODY | {"soroban_meta": None, "tx_changes_after": changes}
    assert read_meta(meta(3, body)).refund_after == refund


def test_a_negative_fee_behind_all_transactions_is_a_refund() -> None:
    events = [
        {"stage": "before_all_txs", "event": event([FEE, PAYER], {"i128": "100"})},
        {"stage": "after_all_txs", "event": event([FEE, PAYER], {"i128": "-5"})},
        {"stage": "after_all_txs", "event": event([FEE, PAYER], {"i128": str(-(2**127))})},
    ]
    assert read_meta(meta_v4(events=events)).refunds == [Refund(ALICE, 5), Refund(ALICE, 2**127)]


@pytest.mark.parametrize(
    "inner",
    [
        event([FEE, PAYER], {"i128": "-5"}, "system"),
        event([FEE], {"i128": "-5"}),
        event([FEE, PAYER, PAYER], {"i128": "-5"}),
        event([{"string": "fee"}, PAYER], {"i128": "-5"}),
        event([{"symbol": "fees"}, PAYER], {"i128": "-5"}),
        event([FEE, {"address": TOKEN}], {"i128": "-5"}),
        event([FEE, {"address": ALICE_MUXED}], {"i128": "-5"}),
        event([FEE, {"string": ALICE}], {"i128": "-5"}),
        event([FEE, "void"], {"i128": "-5"}),
        event([FEE, PAYER], {"i128": "5"}),
        event([FEE, PAYER], {"i128": "0"}),
        event([FEE, PAYER], {"i64": "-5"}),
        event([FEE, PAYER], "void"),
        event(["void", "void"], "void"),
    ],
)
def test_other_events_are_no_refunds(inner: Any) -> None:
    assert after_all(inner).refunds == []


def test_only_a_meta_of_version_4_without_events_leaves_refunds_open() -> None:
    fee = [{"stage": "before_all_txs", "event": event([FEE, PAYER], {"i128": "100"})}]
    assert read_meta(meta_v4(events=fee)).states_refunds
    assert read_meta(meta(3, BODY | {"soroban_meta": None})).states_refunds
    assert not read_meta(meta_v4()).states_refunds


@pytest.mark.parametrize("stage", ["before_all_txs", "after_tx"])
def test_a_negative_fee_of_another_stage_is_no_refund(stage: str) -> None:
    assert after_all(event([FEE, PAYER], {"i128": "-5"}), stage).refunds == []


def full_meta() -> bytes:
    """Something of everything."""
    changes = [CREATED, STATE, UPDATED, REMOVED, RESTORED, SETTING_REMOVED, {"state": instance(1)}]
    staged = [{"stage": "after_all_txs", "event": event([FEE, PAYER], {"i128": "-5"})}]
    text = meta_v4(
        tx_changes_before=[STATE],
        operations=[operation(changes, [EVENT])],
        soroban_meta={"ext": FEES, "return_value": {"u32": 9}},
        events=staged,
        diagnostic_events=[DIAGNOSTIC],
    )
    return base64.b64decode(text)


def read_bytes(data: bytes) -> Meta:
    return read_meta(base64.b64encode(data).decode())


def test_read_meta_refuses_a_meta_cut_anywhere() -> None:
    data = full_meta()
    assert len(read_bytes(data).changes) == 4
    for size in range(len(data)):
        with pytest.raises(DecodeError, match=r"^cannot decode TransactionMeta"):
            read_bytes(data[:size])


def test_read_meta_refuses_what_follows() -> None:
    with pytest.raises(DecodeError, match="ends at byte"):
        read_bytes(full_meta() + bytes(4))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("00000005", "TransactionMeta has no arm 5"),
        ("00000004 00000001", "ExtensionPoint has no arm 1"),
        ("00000000 00001000" + "00000000" * 4096, "at most 4094"),
        ("00000000 ffffffff", "at most 4094"),
        ("00000000 00000001 ffffffff", "more than the bytes left"),
        ("00000000 00000001 00000001 00000005", "LedgerEntryChangeType has no value 5"),
        (
            "00000000 00000001 00000001 00000000 00000000 0000000a",
            "LedgerEntryType has no value 10",
        ),
        ("00000000 00000001 00000001 00000002 0000000a", "LedgerKey has no arm 10"),
        ("00000003" + "00000000" * 4 + "00000002", "flag 2"),
        ("00000004" + "00000000" * 5 + "00000001 00000003", "TransactionEventStage"),
        ("00000004" + "00000000" * 6 + "00000001 00000002", "flag 2"),
        ("00000004" + "00000000" * 6 + "00000001" + "00000000" * 3 + "00000003 00000000", "type 3"),
        ("00000004" + "00000000" * 6 + "00000001" + "00000000" * 4 + "00000001", "body 1"),
    ],
)
def test_read_meta_refuses(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=rf"^cannot decode TransactionMeta \(.*{reason}"):
        read_bytes(bytes.fromhex(data))


@pytest.mark.parametrize("text", ["", "AAA", "AAAAAAAAAAA=\n", "!"])
def test_read_meta_refuses_what_is_no_base64(text: str) -> None:
    with pytest.raises(DecodeError, match=r"^cannot decode TransactionMeta"):
        read_meta(text)


DEEP: Any = "void"
for _ in range(201):
    DEEP = {"vec": [DEEP]}
DEEP_DATA = entry("contract_data", DATA | {"val": DEEP})
DEEP_INSTANCE = entry("contract_data", {"ext": "v0", **INSTANCE_KEY, "val": DEEP})


@pytest.mark.parametrize(
    "changes",
    [
        {"operations": [operation([{"state": DEEP_DATA}])]},
        {"operations": [operation([{"updated": DEEP_DATA}])]},
        {"operations": [operation([{"state": DEEP_INSTANCE}])]},
        {"operations": [operation([{"removed": {"contract_data": DATA_KEY | {"key": DEEP}}}])]},
        {"operations": [operation([], [event([DEEP], "void")])]},
        {"events": [{"stage": "after_tx", "event": event([], DEEP)}]},
        {"soroban_meta": {"ext": "v0", "return_value": DEEP}},
    ],
)
def test_read_meta_refuses_what_nests_too_deeply_wherever_it_stands(changes: Any) -> None:
    with pytest.raises(DecodeError, match="nests deeper than 200"):
        read_meta(meta_v4(**changes))


def test_a_great_instance_is_read_once_however_often_it_is_asked_for() -> None:
    great = instance(0)
    storage = great["data"]["contract_data"]["val"]["contract_instance"]["storage"]
    storage.extend([{"key": "void", "val": {"bytes": "00" * 65536}}] * 8)
    storage.extend([{"key": "void", "val": "void"}] * 2000)
    removals = [{"removed": {"contract_data": INSTANCE_KEY}}] * 4000
    text = meta_v4(operations=[operation([{"state": great}, *removals])])
    begin = time.process_time()
    changes = read_meta(text).changes
    assert time.process_time() - begin < 1
    assert len(changes) == 4000
    assert all(change.before_xdr is changes[0].before_xdr for change in changes)


def test_errors_do_not_hold_the_payload() -> None:
    with pytest.raises(DecodeError) as caught:
        read_bytes(b"secret!!" * 10_000)
    assert len(str(caught.value)) < 250
    assert "secret" not in str(caught.value)
