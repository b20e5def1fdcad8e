"""Make the rows of what accounts own, offer and leave, after `decode.entries`.

A row without values states that its entry was removed. Source: Stellar-ledger-entries.x.
"""

from sorobanflow.decode.entries import Entry
from sorobanflow.decode.reader import Json
from sorobanflow.rows.assets import asset_text, line_text
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import (
    AccountDataRow,
    ClaimableBalanceRow,
    LiquidityPoolRow,
    OfferRow,
    TrustLineRow,
)
from sorobanflow.rows.values import arm, content, i64, json_text, text

# TrustLineFlags, OfferEntryFlags, ClaimableBalanceFlags
_AUTHORIZED, _MAINTAIN_LIABILITIES, _CLAWBACK_ENABLED = 1, 2, 4
_PASSIVE = 1
_CLAIMABLE_CLAWBACK = 1
_NO_LIABILITIES: Json = {"buying": 0, "selling": 0}

_NOTHING: Json = (None,) * 8  # the values of a removed entry


def trust_line_row(one: Entry, position: ChangePosition) -> TrustLineRow:
    """Make the row of a trust line, of an asset or of a pool's shares."""
    key, entry, end = one.key, one.entry, _end(one, position)
    asset = line_text(key["asset"])
    if entry is None:
        return TrustLineRow(key["account_id"], asset, *_NOTHING[:8], *end)
    liabilities, pool_use_count = _line_extensions(entry["ext"])
    flags = entry["flags"]
    return TrustLineRow(
        key["account_id"],
        asset,
        i64(entry["balance"]),
        i64(entry["limit"]),
        i64(liabilities["buying"]),
        i64(liabilities["selling"]),
        flags & _AUTHORIZED != 0,
        flags & _MAINTAIN_LIABILITIES != 0,
        flags & _CLAWBACK_ENABLED != 0,
        pool_use_count,
        *end,
    )


def offer_row(one: Entry, position: ChangePosition) -> OfferRow:
    """Make the row of an offer."""
    entry, end = one.entry, _end(one, position)
    offer_id = i64(one.key["offer_id"])
    if entry is None:
        return OfferRow(offer_id, *_NOTHING[:7], *end)
    price = entry["price"]
    return OfferRow(
        offer_id,
        entry["seller_id"],
        asset_text(entry["selling"]),
        asset_text(entry["buying"]),
        i64(entry["amount"]),
        price["n"],
        price["d"],
        entry["flags"] & _PASSIVE != 0,
        *end,
    )


def liquidity_pool_row(one: Entry, position: ChangePosition) -> LiquidityPoolRow:
    """Make the row of a liquidity pool."""
    end = _end(one, position)
    pool_id = one.key["liquidity_pool_id"]
    if one.entry is None:
        return LiquidityPoolRow(pool_id, *_NOTHING[:7], *end)
    _, pool = arm(one.entry["body"])
    return LiquidityPoolRow(
        pool_id,
        *pool_assets(one.entry),
        pool["params"]["fee"],
        i64(pool["reserve_a"]),
        i64(pool["reserve_b"]),
        i64(pool["total_pool_shares"]),
        i64(pool["pool_shares_trust_line_count"]),
        *end,
    )


def pool_assets(entry: Json) -> tuple[str, str]:
    """Name the two assets of a liquidity pool's entry."""
    _, pool = arm(entry["body"])
    return asset_text(pool["params"]["asset_a"]), asset_text(pool["params"]["asset_b"])


def claimable_balance_row(one: Entry, position: ChangePosition) -> ClaimableBalanceRow:
    """Make the row of a claimable balance."""
    entry, end = one.entry, _end(one, position)
    balance_id = one.key["balance_id"]
    if entry is None:
        return ClaimableBalanceRow(balance_id, *_NOTHING[:4], *end)
    extension = content(entry["ext"], "v1")
    return ClaimableBalanceRow(
        balance_id,
        asset_text(entry["asset"]),
        i64(entry["amount"]),
        json_text(entry["claimants"]),
        extension is not None and extension["flags"] & _CLAIMABLE_CLAWBACK != 0,
        *end,
    )


def account_data_row(one: Entry, position: ChangePosition) -> AccountDataRow:
    """Make the row of an account's data entry."""
    key, entry = one.key, one.entry
    value = None if entry is None else bytes.fromhex(entry["data_value"])
    return AccountDataRow(key["account_id"], text(key["data_name"]), value, *_end(one, position))


def _end(one: Entry, position: ChangePosition) -> Json:
    """Give the last columns, which all of these rows have."""
    return one.sponsor, one.entry is None, *position


def _line_extensions(ext: Json) -> tuple[Json, int]:
    """Return liabilities and pool use count; zero if an older form lacks them."""
    v1 = content(ext, "v1")
    if v1 is None:
        return _NO_LIABILITIES, 0
    v2 = content(v1["ext"], "v2")
    return v1["liabilities"], 0 if v2 is None else v2["liquidity_pool_use_count"]
