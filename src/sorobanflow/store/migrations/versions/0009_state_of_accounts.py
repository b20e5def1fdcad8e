"""Tables of trust lines, offers, liquidity pools, claimable balances and data; archived balances

The new tables start empty: they fill as ledgers are indexed, also again. The entries of balances
that are stored already are looked up; for many rows this takes minutes.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sa.Text(collation="C")
_DELETED = "whether the last change removed it; then the columns above, but the key, are null"
_CHANGE = {
    "ledger": "ledger of the last change",
    "tx_order": "1-based order of its transaction in the ledger; 0: fees before all transactions, "
    "1048575: fees after them, 1048576: upgrades, 1048577: evictions",
    "op_order": "its 1-based operation; 0 before, 4095 after the operations; of fees and "
    "upgrades, the 1-based transaction or upgrade (0: a refund that an event states)",
    "change_order": "its index in the list of changes",
}

# Scaled amounts are exact: a product of numerics keeps every digit, a quotient is
# rounded. A numeric ends behind 16383 digits; contracts may state more decimals.
_BALANCES = """
SELECT
    b.address,
    b.contract_id,
    coalesce(n.name, m.name, a.asset) AS name,
    coalesce(n.symbol, m.symbol, split_part(a.asset, ':', 1)) AS symbol,
    d.decimals,
    a.asset,
    b.amount,
    CASE WHEN d.decimals BETWEEN 0 AND 16383
        THEN trim_scale(b.amount * ('1e-' || d.decimals)::numeric)
    END AS scaled_amount,
    b.authorized,{archived}
    b.source,
    b.ledger,
    coalesce(e.refund_unknown, false) AS refund_unknown
FROM token_balances AS b
LEFT JOIN tokens AS t ON t.contract_id = b.contract_id
LEFT JOIN token_metadata AS m ON m.contract_id = b.contract_id
LEFT JOIN token_answers AS n
    ON n.contract_id = b.contract_id AND (m.ledger >= n.ledger) IS NOT TRUE
CROSS JOIN LATERAL (SELECT coalesce(t.asset, n.asset)) AS a (asset)
CROSS JOIN LATERAL (
    SELECT coalesce(n.decimals, m.decimals, CASE WHEN {has_seven} THEN 7 END)
) AS d (decimals)
LEFT JOIN account_entries AS e ON e.account_id = b.address AND b.source = 'account'{joins}
WHERE NOT b.deleted
"""
_OLD_PARTS = {"archived": "", "has_seven": "a.asset IS NOT NULL", "joins": ""}
_PARTS = {
    "archived": """
    CASE WHEN b.source = 'contract_data'
        THEN c.evicted OR c.live_until_ledger < stored.newest
        ELSE false
    END AS archived,""",
    "has_seven": "a.asset IS NOT NULL OR b.source = 'pool_share'",
    "joins": """
LEFT JOIN contract_data_entries AS c ON c.key_hash = b.key_hash
CROSS JOIN (SELECT max(sequence) FROM ledgers) AS stored (newest)""",
}

_HOLDS = "What an address holds of a token, as far as it was seen; zero included, deleted not."
_VIEW_COLUMNS = {
    "address": "holder (G… or C…)",
    "contract_id": "token contract (C…)",
    "name": "as the contract states it; else the asset",
    "symbol": "as the contract states it; else the code of the asset",
    "decimals": "decimal places, as the contract states them; 7 for an asset",
    "asset": "CODE:ISSUER or native, of an asset contract",
    "amount": "in the token's smallest unit; null: its form is not known",
    "scaled_amount": "amount / 10^decimals, exact; null where either is not known",
    "authorized": "whether the holder may use it; null: not said",
    "archived": "whether the time to live of its contract data ended before the newest stored "
    "ledger, so that it must be restored to be used; null: not known",
    "source": "contract_data, trustline or account",
    "ledger": "ledger of the last change",
    "refund_unknown": "whether a refund of fees may be missing from it: the node stated no fees",
}
_NEW_VIEW_COLUMNS = {
    "address": "holder (G… or C…; a claimable balance B…, a liquidity pool L…)",
    "contract_id": "token contract (C…); of shares of a liquidity pool, the pool (L…)",
    "decimals": "decimal places, as the contract states them; 7 for an asset and for "
    "shares of a liquidity pool",
    "source": "contract_data, trustline, account, claimable_balance, liquidity_pool (what it "
    "holds) or pool_share",
}
#: Comments before and after, by column.
_COMMENTS = {
    "contract_id": ("token contract (C…)", _NEW_VIEW_COLUMNS["contract_id"]),
    "address": ("holder (G… or C…)", _NEW_VIEW_COLUMNS["address"]),
    "asset": (
        "CODE:ISSUER or native, where a trust line or account shows it",
        "CODE:ISSUER or native; null where source is contract_data or pool_share",
    ),
    "source": ("contract_data, trustline or account", _NEW_VIEW_COLUMNS["source"]),
}
_KEY_HASHES = """
UPDATE token_balances AS b SET key_hash = c.key_hash FROM contract_data_entries AS c
WHERE b.source = 'contract_data' AND c.contract_id = b.contract_id AND c.durability = 'persistent'
AND c.key = jsonb_build_object('vec', jsonb_build_array(
    jsonb_build_object('symbol', 'Balance'), jsonb_build_object('address', b.address)))
"""


def upgrade() -> None:
    """Apply the change."""
    _create_tables()
    comment = "its entry in contract_data_entries, where source is contract_data"
    op.add_column("token_balances", _column("key_hash", _TEXT, comment))
    op.execute(_KEY_HASHES)
    _create_balances(_PARTS, _VIEW_COLUMNS | _NEW_VIEW_COLUMNS)
    for column, (_, after) in _COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN token_balances.{column} IS {_quoted(after)}")


def downgrade() -> None:
    """Take the change back."""
    old = {name: comment for name, comment in _VIEW_COLUMNS.items() if name != "archived"}
    _create_balances(_OLD_PARTS, old)
    for column, (before, _) in _COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN token_balances.{column} IS {_quoted(before)}")
    op.execute(
        "DELETE FROM token_balances "
        "WHERE source IN ('claimable_balance', 'liquidity_pool', 'pool_share')"
    )
    op.drop_column("token_balances", "key_hash")
    for table in ("trust_lines", "offers", "liquidity_pools", "claimable_balances", "account_data"):
        op.drop_table(table)


def _create_balances(parts: dict[str, str], columns: dict[str, str]) -> None:
    op.execute("DROP VIEW balances")  # a view's columns cannot move
    op.execute(f"CREATE VIEW balances AS {_BALANCES.format(**parts)}")
    op.execute(f"COMMENT ON VIEW balances IS {_quoted(_HOLDS)}")
    for column, meaning in columns.items():
        op.execute(f"COMMENT ON COLUMN balances.{column} IS {_quoted(meaning)}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column(name: str, kind: Any, comment: str, nullable: bool = True) -> sa.Column[Any]:  # noqa: ANN401 - a type
    return sa.Column(name, kind, nullable=nullable, autoincrement=False, comment=comment)


def _create(name: str, keys: list[sa.Column[Any]], *columns: sa.Column[Any], comment: str) -> None:
    """Create a table with the columns that all of them have."""
    op.create_table(
        name,
        *keys,
        *columns,
        _column("sponsor", _TEXT, "who pays its reserve (G…), if not its owner"),
        _column("deleted", sa.Boolean(), _DELETED, nullable=False),
        *(_column(one, sa.Integer(), text, nullable=False) for one, text in _CHANGE.items()),
        sa.PrimaryKeyConstraint(*(key.name for key in keys), name=op.f(f"pk_{name}")),
        comment=comment,
    )


def _create_tables() -> None:
    _create(
        "trust_lines",
        [
            _column("account_id", _TEXT, "account that holds it (G…)", nullable=False),
            _column(
                "asset",
                _TEXT,
                "CODE:ISSUER; of shares of a liquidity pool, the pool (L…)",
                nullable=False,
            ),
        ],
        _column("balance", sa.BigInteger(), "in units of 1/10,000,000"),
        _column("trust_limit", sa.BigInteger(), "most that it may hold (limit)"),
        _column("buying_liabilities", sa.BigInteger(), "what the account's offers may add to it"),
        _column("selling_liabilities", sa.BigInteger(), "what the account's offers may take of it"),
        _column(
            "authorized",
            sa.Boolean(),
            "whether the issuer allows its use; false of pool shares, which need no permission",
        ),
        _column(
            "authorized_to_maintain_liabilities",
            sa.Boolean(),
            "whether, where not authorized, the issuer lets open offers stay",
        ),
        _column("clawback_enabled", sa.Boolean(), "whether the issuer may take the balance back"),
        _column(
            "pool_use_count",
            sa.Integer(),
            "the account's trust lines of pool shares that need this one",
        ),
        comment="A trust line after the last change that was seen. Key: account_id, asset. "
        "Filtered streams write none.",
    )
    _create(
        "offers",
        [_column("offer_id", sa.BigInteger(), "offer", nullable=False)],
        _column("seller", _TEXT, "account that made it (G…)"),
        _column("selling_asset", _TEXT, "what it sells: native or CODE:ISSUER"),
        _column("buying_asset", _TEXT, "what it buys: native or CODE:ISSUER"),
        _column(
            "amount", sa.BigInteger(), "of selling_asset that is left to sell, in 1/10,000,000"
        ),
        _column(
            "price_n", sa.Integer(), "numerator of the price: of buying_asset for selling_asset"
        ),
        _column("price_d", sa.Integer(), "denominator of the price"),
        _column("passive", sa.Boolean(), "whether it takes no offer of the same price"),
        comment="An offer of the order book after the last change that was seen. Key: offer_id. "
        "Filtered streams write none.",
    )
    _create(
        "liquidity_pools",
        [_column("pool_id", _TEXT, "liquidity pool (L…)", nullable=False)],
        _column("asset_a", _TEXT, "first asset: native or CODE:ISSUER"),
        _column("asset_b", _TEXT, "second asset: CODE:ISSUER"),
        _column("fee_bp", sa.Integer(), "fee of a trade, in 1/10,000"),
        _column("reserve_a", sa.BigInteger(), "what it holds of asset_a, in 1/10,000,000"),
        _column("reserve_b", sa.BigInteger(), "what it holds of asset_b, in 1/10,000,000"),
        _column("total_shares", sa.BigInteger(), "shares of it that exist, in 1/10,000,000"),
        _column("trust_line_count", sa.BigInteger(), "trust lines of its shares"),
        comment="A liquidity pool after the last change that was seen. Key: pool_id. "
        "Filtered streams write none.",
    )
    _create(
        "claimable_balances",
        [_column("balance_id", _TEXT, "claimable balance (B…)", nullable=False)],
        _column("asset", _TEXT, "native or CODE:ISSUER"),
        _column("amount", sa.BigInteger(), "in units of 1/10,000,000"),
        _column(
            "claimants",
            postgresql.JSONB(),
            "who may claim it and when, SEP-51 values (Claimant)",
        ),
        _column("clawback_enabled", sa.Boolean(), "whether the issuer may take it back"),
        comment="A claimable balance after the last change that was seen. Key: balance_id. "
        "Filtered streams write none.",
    )
    _create(
        "account_data",
        [
            _column("account_id", _TEXT, "account that holds it (G…)", nullable=False),
            _column("name", _TEXT, "name, in SEP-51 escapes", nullable=False),
        ],
        _column("value", sa.LargeBinary(), "value, at most 64 bytes"),
        comment="A data entry of an account after the last change that was seen. "
        "Key: account_id, name. Filtered streams write none.",
    )
    _create_indexes()


def _create_indexes() -> None:
    op.create_index(op.f("ix_offers_seller"), "offers", ["seller"])
    op.create_index(
        op.f("ix_offers_selling_asset_buying_asset"), "offers", ["selling_asset", "buying_asset"]
    )
    op.create_index(
        op.f("ix_claimable_balances_claimants"),
        "claimable_balances",
        ["claimants"],
        postgresql_using="gin",
        postgresql_ops={"claimants": "jsonb_path_ops"},
    )
