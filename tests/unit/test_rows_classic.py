"""Rows of trust lines, offers, pools, claimable balances and data, and of what they hold."""

from typing import Any

import pytest
from stellar_sdk import StrKey

from sorobanflow.errors import DecodeError
from sorobanflow.rows.token_state import token_rows
from tests.unit.state_items import (
    NATIVE_CONTRACT,
    USDC_ASSET,
    USDC_CONTRACT,
    USDC_ISSUER,
    change,
    state_of,
    trustline_change,
)
from tests.unit.wire_items import ALICE, BOB, CAROL

USDC = f"USDC:{USDC_ISSUER}"
POOL = StrKey.encode_liquidity_pool(b"p" * 32)
BALANCE = StrKey.encode_claimable_balance(bytes(1) + b"b" * 32)
PLACE = (1000, 3, 1, 0)  # of a change in `state_of`
OFFER = {
    "seller_id": ALICE,
    "offer_id": "9223372036854775807",
    "selling": "native",
    "buying": USDC_ASSET,
    "amount": "5",
    "price": {"n": 1, "d": 2147483647},
    "flags": 1,
    "ext": "v0",
}
OFFER_KEY = {"seller_id": ALICE, "offer_id": "9223372036854775807"}
PRODUCT = {
    "params": {"asset_a": "native", "asset_b": USDC_ASSET, "fee": 30},
    "reserve_a": "1",
    "reserve_b": "9223372036854775807",
    "total_pool_shares": "3",
    "pool_shares_trust_line_count": "4",
}
POOL_ENTRY = {
    "liquidity_pool_id": POOL,
    "body": {"liquidity_pool_constant_product": PRODUCT},
}
CLAIMANTS = [{"claimant_type_v0": {"destination": BOB, "predicate": "unconditional"}}]
CLAIMABLE: dict[str, Any] = {
    "balance_id": BALANCE,
    "claimants": CLAIMANTS,
    "asset": USDC_ASSET,
    "amount": "7",
    "ext": {"v1": {"ext": "v0", "flags": 1}},
}
LINE_V1 = {
    "liabilities": {"buying": "3", "selling": "4"},
    "ext": {"v2": {"liquidity_pool_use_count": 2, "ext": "v0"}},
}


def pool_change(kind: str, entry: Any = None, **fields: Any) -> Any:
    return change(kind, "liquidity_pool", {"liquidity_pool_id": POOL}, entry, **fields)


def claimable_change(kind: str, entry: Any = None, **fields: Any) -> Any:
    return change(kind, "claimable_balance", {"balance_id": BALANCE}, entry, **fields)


@pytest.mark.parametrize(
    ("flags", "meant"),
    [(0, (False, False, False)), (1, (True, False, False)), (6, (False, True, True))],
)
def test_trust_line_has_a_row_with_its_flags(flags: int, meant: tuple[bool, ...]) -> None:
    line = trustline_change("updated", BOB, 77, flags, ext={"v1": LINE_V1}, sponsor=CAROL)
    [row] = state_of(line).trust_lines.values()
    assert row == (BOB, USDC, 77, 9, 3, 4, *meant, 2, CAROL, False, *PLACE)


def test_trust_line_of_an_older_form_owes_nothing() -> None:
    [row] = state_of(trustline_change("created", BOB, 1)).trust_lines.values()
    assert (row.buying_liabilities, row.selling_liabilities, row.pool_use_count) == (0, 0, 0)


def test_removed_trust_line_keeps_its_key_alone() -> None:
    [row] = state_of(trustline_change("removed", BOB, 0)).trust_lines.values()
    assert row == (BOB, USDC, *[None] * 9, True, *PLACE)


def test_shares_of_a_pool_are_a_balance_of_the_pool_and_no_token() -> None:
    line = trustline_change("updated", BOB, 5, 0, asset={"pool_share": POOL})
    state = state_of(line)
    [row] = state.trust_lines.values()
    assert (row.asset, row.balance, row.authorized) == (POOL, 5, False)
    [balance] = state.token_balances.values()
    assert balance == (POOL, BOB, 5, None, None, None, "pool_share", False, *PLACE, None)
    assert token_rows(state.token_balances.values()) == []


def test_offer_has_a_row_and_is_no_balance() -> None:
    state = state_of(change("created", "offer", OFFER_KEY, OFFER, sponsor=BOB))
    [row] = state.offers.values()
    values = ALICE, "native", USDC, 5, 1, 2147483647, True, BOB
    assert row == (2**63 - 1, *values, False, *PLACE)
    assert not state.token_balances


def test_offer_created_again_after_its_removal_is_the_newer_one() -> None:
    gone = change("removed", "offer", OFFER_KEY, change_order=1)
    again = change("created", "offer", OFFER_KEY, OFFER | {"amount": "6"}, change_order=2)
    created = change("created", "offer", OFFER_KEY, OFFER)
    [row] = state_of(created, gone).offers.values()
    assert row == (2**63 - 1, *[None] * 8, True, *PLACE[:3], 1)
    [row] = state_of(created, gone, again).offers.values()
    assert (row.amount, row.deleted, row.change_order) == (6, False, 2)


def test_newest_of_the_changes_that_state_one_offer_of_two_sellers_wins() -> None:
    of_bob = OFFER_KEY | {"seller_id": BOB}
    changes = [
        change("created", "offer", OFFER_KEY, OFFER),
        change("created", "offer", of_bob, OFFER | of_bob, change_order=1),
        change("removed", "offer", OFFER_KEY, change_order=2),
    ]
    [row] = state_of(*changes).offers.values()
    assert (row.deleted, row.change_order) == (True, 2)


def test_pool_has_a_row_and_holds_two_assets() -> None:
    state = state_of(pool_change("updated", POOL_ENTRY))
    [row] = state.liquidity_pools.values()
    assert row == (POOL, "native", USDC, 30, 1, 2**63 - 1, 3, 4, None, False, *PLACE)
    end = "liquidity_pool", False, *PLACE, None
    assert [*state.token_balances.values()] == [
        (NATIVE_CONTRACT, POOL, 1, None, None, "native", *end),
        (USDC_CONTRACT, POOL, 2**63 - 1, None, None, USDC, *end),
    ]


def test_removed_pool_holds_nothing_of_the_assets_that_it_had() -> None:
    state = state_of(pool_change("removed", before=POOL_ENTRY))
    [row] = state.liquidity_pools.values()
    assert row == (POOL, *[None] * 8, True, *PLACE)
    found = [(row.asset, row.amount, row.deleted) for row in state.token_balances.values()]
    assert found == [("native", 0, True), (USDC, 0, True)]


@pytest.mark.parametrize("kind", ["created", "updated", "restored"])
def test_claimable_balance_has_a_row_and_holds_its_asset(kind: str) -> None:
    state = state_of(claimable_change(kind, CLAIMABLE, sponsor=ALICE))
    [row] = state.claimable_balances.values()
    claimants = f'[{{"claimant_type_v0":{{"destination":"{BOB}","predicate":"unconditional"}}}}]'
    assert row == (BALANCE, USDC, 7, claimants, True, ALICE, False, *PLACE)
    [balance] = state.token_balances.values()
    end = "claimable_balance", False, *PLACE, None
    assert balance == (USDC_CONTRACT, BALANCE, 7, None, True, USDC, *end)


def test_claimable_balance_of_the_first_form_allows_no_clawback() -> None:
    entry = CLAIMABLE | {"asset": "native", "ext": "v0"}
    [row] = state_of(claimable_change("created", entry)).claimable_balances.values()
    assert (row.asset, row.clawback_enabled) == ("native", False)


def test_claimed_balance_holds_nothing_of_the_asset_that_it_had() -> None:
    state = state_of(claimable_change("removed", before=CLAIMABLE))
    [row] = state.claimable_balances.values()
    assert row == (BALANCE, *[None] * 5, True, *PLACE)
    [balance] = state.token_balances.values()
    end = "claimable_balance", True, *PLACE, None
    assert balance == (USDC_CONTRACT, BALANCE, 0, None, None, USDC, *end)


@pytest.mark.parametrize("gone", [pool_change("removed"), claimable_change("removed")])
def test_removal_that_names_no_asset_is_refused(gone: Any) -> None:
    with pytest.raises(DecodeError, match=f"no state before the removal of the {gone.type}"):
        state_of(gone)


def test_data_entry_has_a_row() -> None:
    key = {"account_id": ALICE, "data_name": r"n\0"}
    entry = {**key, "data_value": "00ff", "ext": "v0"}
    [row] = state_of(change("created", "data", key, entry, sponsor=BOB)).account_data.values()
    assert row == (ALICE, r"n\0", b"\x00\xff", BOB, False, *PLACE)
    [row] = state_of(change("removed", "data", key)).account_data.values()
    assert row == (ALICE, r"n\0", None, None, True, *PLACE)
