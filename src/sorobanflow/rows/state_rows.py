"""The rows of the state tables, in the order of their columns; XDR is bytes, JSON is text.

The columns of a position (`ledger` to `change_order`, `ttl_*`, `created_*`, `first_*`) are null
together if a batch has no such change; the stored columns that they date then stay.
"""

from typing import NamedTuple


class ContractDataRow(NamedTuple):
    """A row of `contract_data_entries`; `key` and `value` are JSON."""

    key_hash: str
    contract_id: str
    durability: str
    key: str
    value: str | None = None
    deleted: bool = False
    ledger: int | None = None
    tx_order: int | None = None
    op_order: int | None = None
    change_order: int | None = None
    live_until_ledger: int | None = None
    ttl_ledger: int | None = None
    ttl_tx_order: int | None = None
    created_ledger: int | None = None
    created_tx_order: int | None = None
    created_tx_hash: str | None = None
    evicted: bool = False


class ContractCodeRow(NamedTuple):
    """A row of `contract_code`."""

    wasm_hash: str
    code: bytes | None = None
    size: int | None = None
    deleted: bool = False
    ledger: int | None = None
    tx_order: int | None = None
    op_order: int | None = None
    change_order: int | None = None
    live_until_ledger: int | None = None
    ttl_ledger: int | None = None
    ttl_tx_order: int | None = None
    first_ledger: int | None = None
    first_tx_order: int | None = None
    first_tx_hash: str | None = None
    evicted: bool = False


class AccountRow(NamedTuple):
    """A row of `account_entries`; amounts in stroops, `signers` is JSON."""

    account_id: str
    balance: int | None
    sequence: int | None
    subentry_count: int | None
    inflation_destination: str | None
    flags: int | None
    home_domain: str | None
    master_weight: int | None
    low_threshold: int | None
    medium_threshold: int | None
    high_threshold: int | None
    signers: str | None
    buying_liabilities: int | None
    selling_liabilities: int | None
    sponsored_count: int | None
    sponsoring_count: int | None
    sequence_ledger: int | None
    sequence_time: int | None
    sponsor: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int
    refund_unknown: bool = False


class TrustLineRow(NamedTuple):
    """A row of `trust_lines`; amounts in 1/10,000,000."""

    account_id: str
    asset: str
    balance: int | None
    trust_limit: int | None
    buying_liabilities: int | None
    selling_liabilities: int | None
    authorized: bool | None
    authorized_to_maintain_liabilities: bool | None
    clawback_enabled: bool | None
    pool_use_count: int | None
    sponsor: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int


class OfferRow(NamedTuple):
    """A row of `offers`; the amount in 1/10,000,000."""

    offer_id: int
    seller: str | None
    selling_asset: str | None
    buying_asset: str | None
    amount: int | None
    price_n: int | None
    price_d: int | None
    passive: bool | None
    sponsor: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int


class LiquidityPoolRow(NamedTuple):
    """A row of `liquidity_pools`; amounts in 1/10,000,000."""

    pool_id: str
    asset_a: str | None
    asset_b: str | None
    fee_bp: int | None
    reserve_a: int | None
    reserve_b: int | None
    total_shares: int | None
    trust_line_count: int | None
    sponsor: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int


class ClaimableBalanceRow(NamedTuple):
    """A row of `claimable_balances`; the amount in 1/10,000,000, `claimants` is JSON."""

    balance_id: str
    asset: str | None
    amount: int | None
    claimants: str | None
    clawback_enabled: bool | None
    sponsor: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int


class AccountDataRow(NamedTuple):
    """A row of `account_data`."""

    account_id: str
    name: str
    value: bytes | None
    sponsor: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int


class TokenMetadataRow(NamedTuple):
    """A row of `token_metadata`."""

    contract_id: str
    name: str | None
    symbol: str | None
    decimals: int | None
    admin: str | None
    asset: str | None
    issuer: str | None
    wasm_hash: str | None
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int


class TokenRow(NamedTuple):
    """A row of `tokens`."""

    contract_id: str
    asset: str | None


class TokenAnswerRow(NamedTuple):
    """A row of `token_answers`."""

    contract_id: str
    name: str | None
    symbol: str | None
    decimals: int | None
    asset: str | None
    ledger: int


class TokenBalanceRow(NamedTuple):
    """A row of `token_balances`; the amount in the token's smallest unit."""

    contract_id: str
    address: str
    amount: int | None
    authorized: bool | None
    clawback: bool | None
    asset: str | None
    source: str
    deleted: bool
    ledger: int
    tx_order: int
    op_order: int
    change_order: int
    key_hash: str | None = None
