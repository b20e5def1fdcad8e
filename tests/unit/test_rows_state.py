from hashlib import sha256
from typing import Any

import pytest

from sorobanflow.decode.changes import Meta, Refund
from sorobanflow.errors import DecodeError
from sorobanflow.rows.entry_rows import state_rows
from sorobanflow.rows.state import State, refunds_of
from tests.unit.meta_xdr import LIABILITIES, V2
from tests.unit.state_items import (
    INSTANCE,
    NATIVE_CONTRACT,
    PASSPHRASE,
    USDC_CONTRACT,
    USDC_ISSUER,
    account_change,
    account_entry,
    code_change,
    data_change,
    decoded,
    ledger_key_hash,
    state_of,
    trustline_change,
    ttl_change,
)
from tests.unit.wire_items import ALICE, BOB, CAROL, TOKEN, TX_HASH, make_body, sign

KEY = {"symbol": "Counter"}
WASM_HASH = "58f1391217525aca029e5511ffbd301108cf3b0d1d533cf5289934147da00156"


def balance_key(holder: str) -> dict[str, Any]:
    return {"vec": [{"symbol": "Balance"}, {"address": holder}]}


def entries(**values: Any) -> list[dict[str, Any]]:
    return [{"key": {"symbol": name}, "val": value} for name, value in sorted(values.items())]


def instance(executable: Any, *storage: dict[str, Any]) -> dict[str, Any]:
    return {"contract_instance": {"executable": executable, "storage": list(storage) or None}}


def metadata(name: str, symbol: str, **decimals: int) -> dict[str, Any]:
    [(field, value)] = decimals.items()
    fields = {"name": {"string": name}, "symbol": {"string": symbol}, field: {"u32": value}}
    return {"key": {"symbol": "METADATA"}, "val": {"map": entries(**fields)}}


ADMIN = {"key": {"vec": [{"symbol": "Admin"}]}, "val": {"address": CAROL}}


def test_account_has_a_row_and_a_native_balance() -> None:
    extension = {
        "v1": {
            "liabilities": {"buying": "5", "selling": "6"},
            "ext": {
                "v2": {
                    "num_sponsored": 1,
                    "num_sponsoring": 2,
                    "signer_sponsoring_i_ds": [CAROL],
                    "ext": {"v3": {"ext": "v0", "seq_ledger": 9, "seq_time": "1784656870"}},
                }
            },
        }
    }
    entry = account_entry(
        ALICE, 2**63 - 1, signers=[{"key": BOB, "weight": 3}], ext=extension, inflation_dest=BOB
    )
    state = state_of(
        account_change("updated", ALICE, entry, op_order=2, change_order=4, sponsor=BOB)
    )
    [row] = state.account_entries.values()
    assert (row.account_id, row.balance, row.sequence, row.subentry_count) == (
        ALICE,
        2**63 - 1,
        7,
        1,
    )
    assert (row.master_weight, row.low_threshold) == (1, 0)
    assert (row.medium_threshold, row.high_threshold) == (2, 3)
    assert row.signers == f'[{{"key":"{BOB}","weight":3,"sponsor":"{CAROL}"}}]'
    assert (row.buying_liabilities, row.selling_liabilities) == (5, 6)
    assert (row.sponsored_count, row.sponsoring_count, row.sponsor) == (1, 2, BOB)
    assert (row.sequence_ledger, row.sequence_time) == (9, 1784656870)
    assert (row.inflation_destination, row.deleted) == (BOB, False)
    assert (row.ledger, row.tx_order, row.op_order, row.change_order) == (1000, 3, 2, 4)
    [balance] = state.token_balances.values()
    assert (balance.contract_id, balance.address) == (NATIVE_CONTRACT, ALICE)
    assert (balance.amount, balance.asset, balance.source) == (2**63 - 1, "native", "account")
    assert (balance.authorized, balance.clawback) == (True, False)
    assert balance[-5:-1] == (1000, 3, 2, 4)


def test_old_account_without_extensions_owes_and_sponsors_nothing() -> None:
    [row] = state_of(
        account_change("created", ALICE, account_entry(ALICE, 1))
    ).account_entries.values()
    assert (row.buying_liabilities, row.sponsored_count, row.sequence_ledger) == (0, 0, None)


def test_removed_account_stays_as_a_deleted_row_with_balance_zero() -> None:
    state = state_of(
        account_change("updated", ALICE, account_entry(ALICE, 5)),
        account_change("removed", ALICE, change_order=1),
    )
    [row] = state.account_entries.values()
    assert (row.deleted, row.balance, row.sequence, row.change_order) == (True, None, None, 1)
    [balance] = state.token_balances.values()
    assert (balance.deleted, balance.amount, balance.authorized) == (True, 0, None)


@pytest.mark.parametrize(
    ("flags", "authorized", "clawback"), [(0, False, False), (1, True, False), (6, False, True)]
)
def test_trust_line_is_a_balance_of_the_asset_contract(
    flags: int, authorized: bool, clawback: bool
) -> None:
    [row] = state_of(trustline_change("updated", BOB, 77, flags)).token_balances.values()
    assert (row.contract_id, row.address, row.amount) == (USDC_CONTRACT, BOB, 77)
    assert (row.authorized, row.clawback) == (authorized, clawback)
    assert (row.asset, row.source, row.deleted) == (f"USDC:{USDC_ISSUER}", "trustline", False)


def test_removed_trust_line_is_a_deleted_balance_of_zero() -> None:
    [row] = state_of(trustline_change("removed", BOB, 0)).token_balances.values()
    assert (row.amount, row.authorized, row.deleted) == (0, None, True)


def test_contract_data_is_kept_in_both_forms() -> None:
    change = data_change("created", TOKEN, KEY, {"u64": "18446744073709551615"}, "temporary")
    [row] = state_of(change).contract_data_entries.values()
    assert row.key_hash == change.key_hash.hex()
    assert (row.contract_id, row.durability, row.key) == (
        TOKEN,
        "temporary",
        '{"symbol":"Counter"}',
    )
    assert row.value == '{"u64":"18446744073709551615"}'
    assert (row.created_ledger, row.created_tx_order, row.created_tx_hash) == (1000, 3, TX_HASH)
    assert (row.live_until_ledger, row.ttl_ledger, row.deleted) == (None, None, False)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({"i128": str(-(2**127))}, (-(2**127), None, None)),
        (
            {
                "map": entries(
                    amount={"i128": "5"}, authorized={"bool": True}, clawback={"bool": False}
                )
            },
            (5, True, False),
        ),
        ({"map": entries(amount={"i128": "5"})}, (5, None, None)),
        ({"map": entries(shares={"i128": "5"})}, (None, None, None)),
        ({"map": None}, (None, None, None)),
        ({"u64": "5"}, (None, None, None)),
        ("void", (None, None, None)),
    ],
)
def test_balance_of_a_contract_in_each_form(value: Any, stored: tuple[Any, ...]) -> None:
    change = data_change("updated", TOKEN, balance_key(BOB), value)
    [row] = state_of(change).token_balances.values()
    assert (row.contract_id, row.address) == (TOKEN, BOB)
    assert (row.amount, row.authorized, row.clawback) == stored
    assert (row.source, row.asset, row.deleted) == ("contract_data", None, False)
    assert row.key_hash == sha256(change.key_xdr).hexdigest()


def test_removed_balance_entry_is_a_deleted_balance_of_zero() -> None:
    [row] = state_of(data_change("removed", TOKEN, balance_key(BOB))).token_balances.values()
    assert (row.amount, row.deleted) == (0, True)


@pytest.mark.parametrize(
    ("key", "durability"),
    [
        ({"vec": [{"symbol": "Balance"}]}, "persistent"),
        ({"vec": [{"symbol": "Balance"}, {"u32": 1}]}, "persistent"),
        ({"vec": [{"string": "Balance"}, {"address": BOB}]}, "persistent"),
        ({"vec": None}, "persistent"),
        (balance_key(BOB), "temporary"),
    ],
)
def test_other_keys_are_no_balance(key: Any, durability: str) -> None:
    state = state_of(data_change("created", TOKEN, key, {"i128": "1"}, durability))
    assert not state.token_balances
    assert len(state.contract_data_entries) == 1


def test_nonce_of_an_account_is_contract_data_of_that_account() -> None:
    nonce = {"ledger_key_nonce": {"nonce": "-5"}}
    [row] = state_of(
        data_change("created", ALICE, nonce, "void", "temporary")
    ).contract_data_entries.values()
    assert row.contract_id == ALICE


@pytest.mark.parametrize("spelling", ["decimal", "decimals"])
def test_metadata_of_a_token_with_code_of_its_own(spelling: str) -> None:
    value = instance({"wasm": WASM_HASH}, metadata("My \\0 Token", "MYT", **{spelling: 18}), ADMIN)
    [row] = state_of(data_change("created", TOKEN, INSTANCE, value)).token_metadata.values()
    assert (row.contract_id, row.name, row.symbol, row.decimals) == (
        TOKEN,
        "My \\0 Token",
        "MYT",
        18,
    )
    assert (row.admin, row.wasm_hash, row.asset, row.issuer) == (CAROL, WASM_HASH, None, None)


def test_metadata_of_an_asset_contract_names_the_asset_that_its_id_proves() -> None:
    name = f"USDC:{USDC_ISSUER}"
    value = instance("stellar_asset", metadata(name, "USDC", decimal=7), ADMIN)
    [row] = state_of(data_change("created", USDC_CONTRACT, INSTANCE, value)).token_metadata.values()
    assert (row.asset, row.issuer, row.wasm_hash) == (name, USDC_ISSUER, None)
    [other] = state_of(data_change("created", TOKEN, INSTANCE, value)).token_metadata.values()
    assert (other.asset, other.issuer) == (None, None)


def test_metadata_of_the_native_asset_has_no_issuer() -> None:
    value = instance("stellar_asset", metadata("native", "native", decimal=7))
    [row] = state_of(
        data_change("created", NATIVE_CONTRACT, INSTANCE, value)
    ).token_metadata.values()
    assert (row.asset, row.issuer, row.admin) == ("native", None, None)


@pytest.mark.parametrize(
    "value",
    [
        instance({"wasm": WASM_HASH}),
        instance({"wasm": WASM_HASH}, ADMIN),
        instance({"wasm": WASM_HASH}, {"key": {"symbol": "METADATA"}, "val": {"u32": 1}}),
        instance({"wasm": WASM_HASH}, {"key": {"symbol": "METADATA"}, "val": {"map": entries()}}),
    ],
)
def test_contract_that_describes_no_token_has_no_metadata(value: Any) -> None:
    assert not state_of(data_change("created", TOKEN, INSTANCE, value)).token_metadata


def test_contract_that_stops_being_a_token_has_deleted_metadata() -> None:
    before = instance({"wasm": WASM_HASH}, metadata("a", "b", decimal=1))
    change = data_change("updated", TOKEN, INSTANCE, instance({"wasm": WASM_HASH}), before=before)
    [row] = state_of(change).token_metadata.values()
    assert (row.deleted, row.name, row.decimals) == (True, None, None)


def test_contract_code_with_its_upload_and_time_to_live() -> None:
    code = b"\0asm" + bytes(9)
    upload = code_change("created", code, WASM_HASH)
    state = state_of(upload, ttl_change(upload.key_hash, 5000, change_order=1))
    [row] = state.contract_code.values()
    assert (row.wasm_hash, row.code, row.size, row.deleted) == (WASM_HASH, code, 13, False)
    assert (row.live_until_ledger, row.ttl_ledger, row.ttl_tx_order) == (5000, 1000, 3)
    assert (row.first_ledger, row.first_tx_order, row.first_tx_hash) == (1000, 3, TX_HASH)
    assert not state.contract_data_entries


def test_time_to_live_before_its_entry_in_the_same_transaction() -> None:
    change = data_change("created", TOKEN, KEY, {"u32": 1}, change_order=1)
    [row] = state_of(ttl_change(change.key_hash, 5000), change).contract_data_entries.values()
    assert (row.live_until_ledger, row.value) == (5000, '{"u32":1}')


def test_extended_entry_that_did_not_change_is_found_in_the_footprint() -> None:
    data = {"contract_data": {"contract": TOKEN, "key": KEY, "durability": "persistent"}}
    code = {"contract_code": {"hash": WASM_HASH}}
    account = {"account": {"account_id": BOB}}
    resources = {
        "footprint": {"read_only": [account, data], "read_write": [code]},
        "instructions": 1,
        "disk_read_bytes": 1,
        "write_bytes": 1,
    }
    soroban = {"v1": {"ext": "v0", "resources": resources, "resource_fee": "1"}}
    state = state_of(
        ttl_change(ledger_key_hash(data), 5000),
        ttl_change(ledger_key_hash(code), 6000),
        envelope={"tx": sign(make_body(ext=soroban))},
    )
    [row] = state.contract_data_entries.values()
    assert (row.contract_id, row.key, row.live_until_ledger) == (
        TOKEN,
        '{"symbol":"Counter"}',
        5000,
    )
    assert (row.value, row.ledger, row.deleted) == (None, None, False)
    [code_row] = state.contract_code.values()
    assert (code_row.wasm_hash, code_row.live_until_ledger, code_row.code) == (
        WASM_HASH,
        6000,
        None,
    )


def test_time_to_live_of_nothing_known_is_refused() -> None:
    with pytest.raises(DecodeError, match=f"no entry for the time to live {'cd' * 32}"):
        state_of(ttl_change(bytes.fromhex("cd" * 32), 5000))


def test_silent_parts_of_a_row_stay_as_they_were() -> None:
    first = data_change("created", TOKEN, KEY, {"u32": 1})
    state = state_of(first, ttl_change(first.key_hash, 5000))
    later = {"ledger": 1001, "application_order": 1, "tx_hash": "cd" * 32}
    update = decoded(data_change("updated", TOKEN, KEY, {"u32": 2}), **later)
    state.add(state_rows(*update, PASSPHRASE))
    state.finish()
    [row] = state.contract_data_entries.values()
    assert (row.value, row.ledger) == ('{"u32":2}', 1001)
    assert (row.live_until_ledger, row.ttl_ledger) == (5000, 1000)
    assert (row.created_ledger, row.created_tx_hash) == (1000, TX_HASH)


def test_entry_removed_and_created_again_is_the_new_one() -> None:
    first = data_change("created", TOKEN, KEY, {"u32": 1})
    state = state_of(first, data_change("removed", TOKEN, KEY, change_order=1))
    [row] = state.contract_data_entries.values()
    assert (row.deleted, row.value) == (True, None)
    later = {"application_order": 4, "tx_hash": "cd" * 32}
    again = decoded(data_change("created", TOKEN, KEY, {"u32": 2}), **later)
    state.add(state_rows(*again, PASSPHRASE))
    state.finish()
    [row] = state.contract_data_entries.values()
    assert (row.deleted, row.value, row.created_tx_hash) == (False, '{"u32":2}', "cd" * 32)


def test_restored_entry_is_there_again_and_not_created() -> None:
    [row] = state_of(data_change("restored", TOKEN, KEY, {"u32": 1})).contract_data_entries.values()
    assert (row.deleted, row.value, row.created_ledger) == (False, '{"u32":1}', None)


def test_refund_is_added_behind_the_transactions() -> None:
    state = state_of(account_change("updated", ALICE, account_entry(ALICE, 100)))
    state.refund(1000, 0, Refund(ALICE, 7))
    state.refund(1000, 1, Refund(ALICE, 3))
    state.finish()
    [row] = state.account_entries.values()
    assert (row.balance, row[-5:]) == (110, (1000, 1048575, 0, 1, False))
    [balance] = state.token_balances.values()
    assert (balance.amount, balance[-5:-1]) == (110, (1000, 1048575, 0, 1))


def test_refund_before_its_ledgers_end_gives_way_to_a_later_change() -> None:
    state = State(PASSPHRASE)
    first, later = account_entry(ALICE, 100), account_entry(ALICE, 50)
    state.add(state_rows(*decoded(account_change("updated", ALICE, first)), PASSPHRASE))
    state.refund(1000, 0, Refund(ALICE, 7))
    place = {"ledger": 1001, "application_order": 1, "tx_hash": "cd" * 32}
    newer = decoded(account_change("updated", ALICE, later), **place)
    state.add(state_rows(*newer, PASSPHRASE))
    state.refund(1002, 0, Refund(ALICE, 7))  # none of its transactions is in this ledger
    [row] = state.finish()["account_entries"].values()
    assert (row.balance, row.ledger) == (50, 1001)
    assert state.token_balances[NATIVE_CONTRACT, ALICE].amount == 50


def test_trust_line_of_no_asset_is_an_error_of_its_transaction() -> None:
    asset = {"credit_alphanum4": {"asset_code": "US$", "issuer": USDC_ISSUER}}
    with pytest.raises(DecodeError, match=r"not an asset: 'US\$:"):
        state_rows(*decoded(trustline_change("updated", BOB, 1, asset=asset)), PASSPHRASE)


def test_refund_of_an_unknown_amount_marks_the_account_where_it_is() -> None:
    state = state_of(account_change("updated", ALICE, account_entry(ALICE, 100)))
    state.refund(1000, 0, Refund(ALICE, None))
    state.finish()
    [row] = state.account_entries.values()
    assert (row.balance, row[-5:]) == (100, (1000, 3, 1, 0, True))


def test_refund_is_not_known_where_a_contract_call_has_no_fee_events() -> None:
    row, _ = decoded()
    call = row._replace(soroban_resource_fee=100)
    silent, stated = Meta(None, [], [], states_refunds=False), Meta(None, [], [Refund(ALICE, 7)])
    assert refunds_of(call, silent) == [Refund(ALICE, None)]
    assert refunds_of(call, stated) == [Refund(ALICE, 7)]
    assert refunds_of(row, silent) == []  # classic


@pytest.mark.parametrize(
    ("changes", "ledger"),
    [
        ([], 1000),
        ([account_change("updated", ALICE, account_entry(ALICE, 100))], 1001),
        ([account_change("removed", ALICE)], 1000),
    ],
)
def test_refund_to_nobody_known_changes_nothing(changes: list[Any], ledger: int) -> None:
    state = state_of(*changes)
    before = dict(state.account_entries)
    state.refund(ledger, 0, Refund(ALICE, 7))
    state.finish()
    assert state.account_entries == before


def test_account_with_more_sponsors_than_signers_is_an_error_of_its_transaction() -> None:
    signers = [{"key": BOB, "weight": 3}]
    for given in ([], signers):
        sponsors = V2 | {"signer_sponsoring_i_ds": [None] * (len(given) + 1), "ext": "v0"}
        extension = {"v1": {"liabilities": LIABILITIES, "ext": {"v2": sponsors}}}
        for fields in ({}, {"home_domain": "example.org", "inflation_dest": BOB}):
            entry = account_entry(ALICE, 1, signers=given, ext=extension, **fields)
            with pytest.raises(DecodeError):
                state_rows(*decoded(account_change("updated", ALICE, entry)), PASSPHRASE)


def test_time_to_live_of_an_account_in_the_footprint_is_refused() -> None:
    account = {"account": {"account_id": BOB}}
    resources = {
        "footprint": {"read_only": [account], "read_write": []},
        "instructions": 1,
        "disk_read_bytes": 1,
        "write_bytes": 1,
    }
    soroban = {"v1": {"ext": "v0", "resources": resources, "resource_fee": "1"}}
    change = ttl_change(ledger_key_hash(account), 5000)
    with pytest.raises(DecodeError, match="no entry for the time to live"):
        state_of(change, envelope={"tx": sign(make_body(ext=soroban))})


def test_deepest_value_is_a_row() -> None:
    value: Any = "void"
    for _ in range(200):
        value = {"vec": [value]}
    [row] = state_of(data_change("created", TOKEN, KEY, value)).contract_data_entries.values()
    assert row.value == '{"vec":[' * 200 + '"void"' + "]}" * 200
