"""Make the rows of what accounts own, offer and leave, after `decode.entries`.

A row without values states that its entry was removed. Source: Stellar-ledger-entries.x.
"""

from sorobanflow.decode.entries import EntryParts
from sorobanflow.decode.straight import Parts
from sorobanflow.rows.assets import asset_text
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import (
    AccountDataRow,
    ClaimableBalanceRow,
    LiquidityPoolRow,
    OfferRow,
    TrustLineRow,
)

# TrustLineFlags, OfferEntryFlags, ClaimableBalanceFlags
_AUTHORIZED, _MAINTAIN_LIABILITIES, _CLAWBACK_ENABLED = 1, 2, 4
_PASSIVE = 1
_CLAIMABLE_CLAWBACK = 1

_NOTHING: Parts = (None,) * 8  # the values of a removed entry


def trust_line_row(one: EntryParts, position: ChangePosition) -> TrustLineRow:
    """Make the row of a trust line, of an asset or of a pool's shares."""
    ((account_id, line), values), end = one, _end(one, position)
    asset = asset_text(line)
    if values is None:
        return TrustLineRow(account_id, asset, *_NOTHING[:8], *end)
    balance, limit, flags, ext, _ = values
    (buying, selling), pool_use_count = _line_extensions(ext)
    return TrustLineRow(
        account_id,
        asset,
        balance,
        limit,
        buying,
        selling,
        flags & _AUTHORIZED != 0,
        flags & _MAINTAIN_LIABILITIES != 0,
        flags & _CLAWBACK_ENABLED != 0,
        pool_use_count,
        *end,
    )


def offer_row(one: EntryParts, position: ChangePosition) -> OfferRow:
    """Make the row of an offer."""
    ((seller, offer_id), values), end = one, _end(one, position)
    if values is None:
        return OfferRow(offer_id, *_NOTHING[:7], *end)
    selling, buying, amount, (price_n, price_d), flags, _, _ = values
    sold, bought, is_passive = asset_text(selling), asset_text(buying), flags & _PASSIVE != 0
    return OfferRow(offer_id, seller, sold, bought, amount, price_n, price_d, is_passive, *end)


def liquidity_pool_row(one: EntryParts, position: ChangePosition) -> LiquidityPoolRow:
    """Make the row of a liquidity pool."""
    (pool_id,), values = one
    if values is None:
        return LiquidityPoolRow(pool_id, *_NOTHING[:7], *_end(one, position))
    (_, ((_, _, fee), *amounts)), _ = values
    return LiquidityPoolRow(pool_id, *pool_assets(one), fee, *amounts, *_end(one, position))


def pool_assets(pool: EntryParts) -> tuple[str, str]:
    """Name the two assets of a liquidity pool's entry."""
    (_, (params, *_)), _ = pool.values
    return asset_text(params[0]), asset_text(params[1])


def claimable_balance_row(one: EntryParts, position: ChangePosition) -> ClaimableBalanceRow:
    """Make the row of a claimable balance."""
    (balance_id,), values = one
    if values is None:
        return ClaimableBalanceRow(balance_id, *_NOTHING[:4], *_end(one, position))
    claimants, asset, amount, (_, v1), _ = values
    clawback = v1 is not None and v1[1] & _CLAIMABLE_CLAWBACK != 0
    held = asset_text(asset), amount, claimants, clawback
    return ClaimableBalanceRow(balance_id, *held, *_end(one, position))


def claimable_asset(balance: EntryParts) -> str:
    """Name the asset of a claimable balance's entry."""
    return asset_text(balance.values[1])


def account_data_row(one: EntryParts, position: ChangePosition) -> AccountDataRow:
    """Make the row of an account's data entry."""
    account_id, name = one.key
    value = None if one.values is None else one.values[0]
    return AccountDataRow(account_id, name, value, *_end(one, position))


def _end(one: EntryParts, position: ChangePosition) -> Parts:
    """Give the last columns, which all of these rows have."""
    return one.sponsor, one.values is None, *position


def _line_extensions(ext: Parts) -> tuple[Parts, int]:
    """Return liabilities and pool use count; zero if an older form lacks them."""
    _, v1 = ext
    if v1 is None:
        return (0, 0), 0
    liabilities, (_, v2) = v1
    return liabilities, 0 if v2 is None else v2[0]
