"""What each ledger entry says, by way of stellar-sdk's objects: the other derivation of `rows`.

A row is given by its table, its key, and its values by column, without the place of the change.
"""

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from stellar_sdk import StrKey, xdr

from tests.integration.sdk_oracle import to_json

Values = dict[str, Any]
#: By the names of the keys' columns, which are compared too.
KEYS = {
    "account_entries": ("account_id",),
    "trust_lines": ("account_id", "asset"),
    "offers": ("offer_id",),
    "liquidity_pools": ("pool_id",),
    "claimable_balances": ("balance_id",),
    "account_data": ("account_id", "name"),
    "contract_data_entries": ("key_hash",),
    "contract_code": ("wasm_hash",),
    "token_balances": ("contract_id", "address"),
}


class TrueRow(NamedTuple):
    """A row; `values` are None where the entry was removed, but for what its key says."""

    table: str
    key: tuple[Any, ...]
    values: Values | None


def true_rows(
    key: xdr.LedgerKey,
    entry: xdr.LedgerEntry | None,
    before: xdr.LedgerEntry | None,
    network: bytes,
) -> Iterator[TrueRow]:
    """Give the rows of an entry after a change; `before` is the entry that was there."""
    name = _NAMES[key.type]
    body = getattr(key, name)
    data = None if entry is None else getattr(entry.data, name)
    of_key, values_of = _ROWS[name]
    values = None if data is None else values_of(data)
    if values is not None and name not in ("contract_data", "contract_code"):
        sponsor = entry and entry.ext.v1 and entry.ext.v1.sponsoring_id
        values["sponsor"] = to_json(sponsor) if sponsor else None
    yield TrueRow(_TABLES[name], of_key(body), values)
    if name in _BALANCES:
        last = data or (before and getattr(before.data, name))
        yield from _BALANCES[name](body, data, last, network)


def account_id(account: xdr.AccountID) -> str:
    """Write an account as G…."""
    assert account.account_id.ed25519 is not None
    return StrKey.encode_ed25519_public_key(account.account_id.ed25519.uint256)


def pool_id(pool: xdr.PoolID) -> str:
    """Write a pool as L…."""
    return StrKey.encode_liquidity_pool(pool.pool_id.hash)


def balance_id(balance: xdr.ClaimableBalanceID) -> str:
    """Write a claimable balance as B…."""
    return StrKey.encode_claimable_balance(bytes(1) + balance.v0.hash)


def asset_name(asset: Any) -> str:
    """Write an Asset or TrustLineAsset: native, CODE:ISSUER or L…."""
    if asset.type is xdr.AssetType.ASSET_TYPE_NATIVE:
        return "native"
    if asset.type is xdr.AssetType.ASSET_TYPE_POOL_SHARE:
        return pool_id(asset.liquidity_pool_id)
    [body] = to_json(asset).values()
    return f"{body['asset_code']}:{body['issuer']}"


def key_hash(key: xdr.LedgerKey) -> str:
    """Hash a key, as the network does for times to live."""
    return sha256(key.to_xdr_bytes()).hexdigest()


def _account(entry: xdr.AccountEntry) -> Values:
    v1 = entry.ext.v1
    v2 = v1 and v1.ext.v2
    v3 = v2 and v2.ext.v3
    weights = entry.thresholds.thresholds
    sponsors = v2.signer_sponsoring_i_ds if v2 else [None] * len(entry.signers)
    return {
        "balance": entry.balance.int64,
        "sequence": entry.seq_num.sequence_number.int64,
        "subentry_count": entry.num_sub_entries.uint32,
        "inflation_destination": entry.inflation_dest and account_id(entry.inflation_dest),
        "flags": entry.flags.uint32,
        "home_domain": to_json(entry.home_domain),
        "master_weight": weights[0],
        "low_threshold": weights[1],
        "medium_threshold": weights[2],
        "high_threshold": weights[3],
        "signers": [
            {
                "key": to_json(one.key),
                "weight": one.weight.uint32,
                "sponsor": to_json(each) if each else None,
            }
            for one, each in zip(entry.signers, sponsors, strict=True)
        ],
        "buying_liabilities": v1.liabilities.buying.int64 if v1 else 0,
        "selling_liabilities": v1.liabilities.selling.int64 if v1 else 0,
        "sponsored_count": v2.num_sponsored.uint32 if v2 else 0,
        "sponsoring_count": v2.num_sponsoring.uint32 if v2 else 0,
        "sequence_ledger": v3.seq_ledger.uint32 if v3 else None,
        "sequence_time": v3.seq_time.time_point.uint64 if v3 else None,
    }


def _trust_line(entry: xdr.TrustLineEntry) -> Values:
    v1, flags = entry.ext.v1, entry.flags.uint32
    v2 = v1 and v1.ext.v2
    return {
        "balance": entry.balance.int64,
        "trust_limit": entry.limit.int64,
        "buying_liabilities": v1.liabilities.buying.int64 if v1 else 0,
        "selling_liabilities": v1.liabilities.selling.int64 if v1 else 0,
        "authorized": bool(flags & 1),
        "authorized_to_maintain_liabilities": bool(flags & 2),
        "clawback_enabled": bool(flags & 4),
        "pool_use_count": v2.liquidity_pool_use_count.int32 if v2 else 0,
    }


def _offer(entry: xdr.OfferEntry) -> Values:
    return {
        "seller": account_id(entry.seller_id),
        "selling_asset": asset_name(entry.selling),
        "buying_asset": asset_name(entry.buying),
        "amount": entry.amount.int64,
        "price_n": entry.price.n.int32,
        "price_d": entry.price.d.int32,
        "passive": bool(entry.flags.uint32 & 1),
    }


def _pool(entry: xdr.LiquidityPoolEntry) -> Values:
    body = entry.body.constant_product
    assert body is not None
    return {
        "asset_a": asset_name(body.params.asset_a),
        "asset_b": asset_name(body.params.asset_b),
        "fee_bp": body.params.fee.int32,
        "reserve_a": body.reserve_a.int64,
        "reserve_b": body.reserve_b.int64,
        "total_shares": body.total_pool_shares.int64,
        "trust_line_count": body.pool_shares_trust_line_count.int64,
    }


def _claimable_balance(entry: xdr.ClaimableBalanceEntry) -> Values:
    v1 = entry.ext.v1
    return {
        "asset": asset_name(entry.asset),
        "amount": entry.amount.int64,
        "claimants": [to_json(one) for one in entry.claimants],
        "clawback_enabled": bool(v1 and v1.flags.uint32 & 1),
    }


def _contract_data(entry: xdr.ContractDataEntry) -> Values:
    return {"value": to_json(entry.val)}


def _data_key(body: xdr.LedgerKeyContractData) -> tuple[str]:
    return (key_hash(xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=body)),)


#: By the name of an entry: its table, its key's values, its other values.
_ROWS: dict[str, tuple[Callable[[Any], tuple[Any, ...]], Callable[[Any], Values]]] = {
    "account": (lambda key: (account_id(key.account_id),), _account),
    "trust_line": (lambda key: (account_id(key.account_id), asset_name(key.asset)), _trust_line),
    "offer": (lambda key: (key.offer_id.int64,), _offer),
    "liquidity_pool": (lambda key: (pool_id(key.liquidity_pool_id),), _pool),
    "claimable_balance": (lambda key: (balance_id(key.balance_id),), _claimable_balance),
    "data": (
        lambda key: (account_id(key.account_id), to_json(key.data_name)),
        lambda entry: {"value": entry.data_value.data_value},
    ),
    "contract_data": (_data_key, _contract_data),
    "contract_code": (
        lambda key: (key.hash.hash.hex(),),
        lambda entry: {"code": entry.code, "size": len(entry.code)},
    ),
}
_NAMES = {
    kind: kind.name.lower().replace("trustline", "trust_line") for kind in xdr.LedgerEntryType
}
_TABLES = {
    "account": "account_entries",
    "trust_line": "trust_lines",
    "offer": "offers",
    "liquidity_pool": "liquidity_pools",
    "claimable_balance": "claimable_balances",
    "data": "account_data",
    "contract_data": "contract_data_entries",
    "contract_code": "contract_code",
}
_NATIVE = xdr.Asset(xdr.AssetType.ASSET_TYPE_NATIVE)


def _of_account(key: Any, data: Any, _: Any, network: bytes) -> Iterator[TrueRow]:
    yield _balance(_NATIVE, account_id(key.account_id), data and data.balance, "account", network)


def _of_trust_line(key: Any, data: Any, _: Any, network: bytes) -> Iterator[TrueRow]:
    source = "pool_share" if key.asset.liquidity_pool_id else "trustline"
    holder = account_id(key.account_id)
    yield _balance(key.asset, holder, data and data.balance, source, network)


def _of_claimable(key: Any, data: Any, last: Any, network: bytes) -> Iterator[TrueRow]:
    assert last, "removed without a state item"
    holder = balance_id(key.balance_id)
    yield _balance(last.asset, holder, data and data.amount, "claimable_balance", network)


def _of_pool(key: Any, data: Any, last: Any, network: bytes) -> Iterator[TrueRow]:
    assert last, "removed without a state item"
    holder, body = pool_id(key.liquidity_pool_id), last.body.constant_product
    for asset, reserve in ((body.params.asset_a, "reserve_a"), (body.params.asset_b, "reserve_b")):
        amount = data and getattr(data.body.constant_product, reserve)
        yield _balance(asset, holder, amount, "liquidity_pool", network)


_BALANCES = {
    "account": _of_account,
    "trust_line": _of_trust_line,
    "claimable_balance": _of_claimable,
    "liquidity_pool": _of_pool,
}


def _balance(asset: Any, holder: str, amount: Any, source: str, network: bytes) -> TrueRow:
    name = asset_name(asset)
    contract = (
        name
        if asset.type is xdr.AssetType.ASSET_TYPE_POOL_SHARE
        else (_contract_of(name, to_asset(asset).to_xdr_bytes(), network))
    )
    values = None if amount is None else {"amount": amount.int64, "source": source}
    return TrueRow("token_balances", (contract, holder), values)


def to_asset(asset: Any) -> xdr.Asset:
    """Make an Asset of a TrustLineAsset that is no pool's."""
    return xdr.Asset(asset.type, alpha_num4=asset.alpha_num4, alpha_num12=asset.alpha_num12)


@cache
def _contract_of(_: str, asset: bytes, network: bytes) -> str:
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            xdr.Hash(network),
            xdr.ContractIDPreimage(
                xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ASSET,
                from_asset=xdr.Asset.from_xdr_bytes(asset),
            ),
        ),
    )
    return StrKey.encode_contract(sha256(preimage.to_xdr_bytes()).digest())
