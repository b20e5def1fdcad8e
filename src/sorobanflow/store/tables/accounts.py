"""Tables of the state of classic ledger entries: accounts, and what they own, offer and leave.

Trust lines, offers, pools, claimable balances and data stay as rows after they were removed: a
change that arrives later may be older. Source: Stellar-ledger-entries.x.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables.columns import (
    change_columns,
    deleted_column,
    id_column,
    key_column,
    metadata,
    text_column,
)

_DELETED = "whether the last change removed it; then the columns above, but the key, are null"


def _end_columns() -> list[Column[Any]]:
    """Make the last columns of an entry."""
    sponsor = id_column("sponsor", "who pays its reserve (G…), if not its owner")
    return [sponsor, deleted_column(_DELETED), *change_columns()]


account_entries = Table(
    "account_entries",
    metadata,
    key_column("account_id", "account (G…)"),
    Column("balance", BigInteger, comment="native balance, stroops"),
    Column("sequence", BigInteger, comment="sequence number"),
    Column(
        "subentry_count",
        BigInteger,
        comment="its trust lines, offers, data and signers; one of pool shares counts as two",
    ),
    id_column("inflation_destination", "account (G…), if set"),
    Column("flags", BigInteger, comment="AccountFlags, a bit mask"),
    text_column("home_domain", "home domain, in SEP-51 escapes"),
    Column("master_weight", SmallInteger, comment="weight of its own key"),
    Column("low_threshold", SmallInteger, comment="weight that low operations need"),
    Column("medium_threshold", SmallInteger, comment="weight that medium operations need"),
    Column("high_threshold", SmallInteger, comment="weight that high operations need"),
    Column("signers", JSONB, comment='[{"key", "weight", "sponsor"}], keys as in SEP-23'),
    Column("buying_liabilities", BigInteger, comment="native, of its offers, stroops"),
    Column("selling_liabilities", BigInteger, comment="native, of its offers, stroops"),
    Column("sponsored_count", BigInteger, comment="reserves of it that others pay"),
    Column("sponsoring_count", BigInteger, comment="reserves of others that it pays"),
    Column("sequence_ledger", BigInteger, comment="ledger that changed its sequence last"),
    Column("sequence_time", Numeric(20, 0), comment="close time of that, Unix seconds"),
    id_column("sponsor", "who pays the account's reserve (G…)"),
    deleted_column("whether the last change removed it; then the columns above are null"),
    *change_columns(),
    Column(
        "refund_unknown",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether a refund of fees may be missing from balance: the node stated no fees",
    ),
    comment="An account after the last change that was seen. Key: account_id. "
    "Filtered streams write none.",
)

trust_lines = Table(
    "trust_lines",
    metadata,
    key_column("account_id", "account that holds it (G…)"),
    key_column("asset", "CODE:ISSUER; of shares of a liquidity pool, the pool (L…)"),
    Column("balance", BigInteger, comment="in units of 1/10,000,000"),
    Column(
        "trust_limit", BigInteger, comment="most that it may hold (limit), in units of 1/10,000,000"
    ),
    Column(
        "buying_liabilities",
        BigInteger,
        comment="what the account's offers may add to it, in units of 1/10,000,000",
    ),
    Column(
        "selling_liabilities",
        BigInteger,
        comment="what the account's offers may take of it, in units of 1/10,000,000",
    ),
    Column(
        "authorized",
        Boolean,
        comment="whether the issuer allows its use; false of pool shares, which need no permission",
    ),
    Column(
        "authorized_to_maintain_liabilities",
        Boolean,
        comment="whether, where not authorized, the issuer lets open offers stay",
    ),
    Column("clawback_enabled", Boolean, comment="whether the issuer may take the balance back"),
    Column(
        "pool_use_count",
        Integer,
        comment="the account's trust lines of pool shares that need this one",
    ),
    *_end_columns(),
    comment="A trust line after the last change that was seen. Key: account_id, asset. "
    "Filtered streams write none.",
)

offers = Table(
    "offers",
    metadata,
    Column("offer_id", BigInteger, primary_key=True, autoincrement=False, comment="offer"),
    id_column("seller", "account that made it (G…)"),
    id_column("selling_asset", "what it sells: native or CODE:ISSUER"),
    id_column("buying_asset", "what it buys: native or CODE:ISSUER"),
    Column("amount", BigInteger, comment="of selling_asset that is left to sell, in 1/10,000,000"),
    Column("price_n", Integer, comment="numerator of the price: of buying_asset for selling_asset"),
    Column("price_d", Integer, comment="denominator of the price"),
    Column("passive", Boolean, comment="whether it takes no offer of the same price"),
    *_end_columns(),
    Index(None, "seller"),
    Index(None, "selling_asset", "buying_asset"),
    comment="An offer of the order book after the last change that was seen. Key: offer_id. "
    "Filtered streams write none.",
)

liquidity_pools = Table(
    "liquidity_pools",
    metadata,
    key_column("pool_id", "liquidity pool (L…)"),
    id_column("asset_a", "first asset: native or CODE:ISSUER"),
    id_column("asset_b", "second asset: CODE:ISSUER"),
    Column("fee_bp", Integer, comment="fee of a trade, in 1/10,000"),
    Column("reserve_a", BigInteger, comment="what it holds of asset_a, in 1/10,000,000"),
    Column("reserve_b", BigInteger, comment="what it holds of asset_b, in 1/10,000,000"),
    Column("total_shares", BigInteger, comment="shares of it that exist, in 1/10,000,000"),
    Column("trust_line_count", BigInteger, comment="trust lines of its shares"),
    *_end_columns(),
    comment="A liquidity pool after the last change that was seen. Key: pool_id. "
    "Filtered streams write none.",
)

claimable_balances = Table(
    "claimable_balances",
    metadata,
    key_column("balance_id", "claimable balance (B…)"),
    id_column("asset", "native or CODE:ISSUER"),
    Column("amount", BigInteger, comment="in units of 1/10,000,000"),
    Column("claimants", JSONB, comment="who may claim it and when, SEP-51 values (Claimant)"),
    Column("clawback_enabled", Boolean, comment="whether the issuer may take it back"),
    *_end_columns(),
    Index(
        None,
        "claimants",
        postgresql_using="gin",
        postgresql_ops={"claimants": "jsonb_path_ops"},
    ),
    comment="A claimable balance after the last change that was seen. Key: balance_id. "
    "Filtered streams write none.",
)

account_data = Table(
    "account_data",
    metadata,
    key_column("account_id", "account that holds it (G…)"),
    key_column("name", "name, in SEP-51 escapes"),
    Column("value", LargeBinary, comment="value, at most 64 bytes"),
    *_end_columns(),
    comment="A data entry of an account after the last change that was seen. "
    "Key: account_id, name. Filtered streams write none.",
)
