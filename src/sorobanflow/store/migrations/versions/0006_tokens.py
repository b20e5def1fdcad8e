"""Which tokens were seen, what a node said of them, and both in the views

The assets of balances and token operations that are stored already are added; for many
rows this takes minutes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The newer one of what ledgers and a node said of a token; the ledger of a change decides.
_NAMES = """
    coalesce(n.name, m.name, a.asset) AS name,
    coalesce(n.symbol, m.symbol, split_part(a.asset, ':', 1)) AS symbol,
    d.decimals,
    a.asset"""
_JOINS = """
LEFT JOIN tokens AS t ON t.contract_id = {row}.contract_id
LEFT JOIN token_metadata AS m ON m.contract_id = {row}.contract_id
LEFT JOIN token_answers AS n
    ON n.contract_id = {row}.contract_id AND (m.ledger >= n.ledger) IS NOT TRUE
CROSS JOIN LATERAL (SELECT coalesce(t.asset, n.asset)) AS a (asset)
CROSS JOIN LATERAL (
    SELECT coalesce(n.decimals, m.decimals, CASE WHEN a.asset IS NOT NULL THEN 7 END)
) AS d (decimals)"""

# Scaled amounts are exact: a product of numerics keeps every digit, a quotient is
# rounded. A numeric ends behind 16383 digits; contracts may state more decimals.
_BALANCES = """
SELECT
    b.address,
    b.contract_id,{names},
    b.amount,
    CASE WHEN d.decimals BETWEEN 0 AND 16383
        THEN trim_scale(b.amount * ('1e-' || d.decimals)::numeric)
    END AS scaled_amount,
    b.authorized,
    b.source,
    b.ledger{more_columns}
FROM token_balances AS b{token}
WHERE NOT b.deleted
"""
_TRANSFERS = """
SELECT
    o.event_id,
    o.ledger,
    o.closed_at,
    o.tx_hash,
    o.type,
    o.contract_id,{names},
    o.from_address,
    o.to_address,
    o.to_muxed_id,
    o.amount,
    CASE WHEN d.decimals BETWEEN 0 AND 16383
        THEN trim_scale(o.amount * ('1e-' || d.decimals)::numeric)
    END AS scaled_amount
FROM token_operations AS o{token}
WHERE o.successful AND o.type IN ('transfer', 'mint', 'burn', 'clawback')
"""
_REFUND = ",\n    coalesce(e.refund_unknown, false) AS refund_unknown"
_ACCOUNT = """
LEFT JOIN account_entries AS e ON e.account_id = b.address AND b.source = 'account'"""

_OLD_NAMES = """
    coalesce(m.name, a.asset) AS name,
    coalesce(m.symbol, split_part(a.asset, ':', 1)) AS symbol,
    d.decimals,
    a.asset"""
_OLD_JOINS = """
LEFT JOIN token_metadata AS m ON m.contract_id = {row}.contract_id
CROSS JOIN LATERAL (SELECT coalesce(m.asset, {row}.asset)) AS a (asset)
CROSS JOIN LATERAL (
    SELECT coalesce(m.decimals, CASE WHEN a.asset IS NOT NULL THEN 7 END)
) AS d (decimals)"""

_COMMENTS = """
SELECT attname, obj_description(attrelid), col_description(attrelid, attnum) FROM pg_attribute
WHERE attrelid = 'balances'::regclass AND attnum > 0 AND attname <> 'refund_unknown'
"""


def upgrade() -> None:
    """Apply the change."""
    _create_tables()
    op.execute(
        "INSERT INTO tokens SELECT contract_id, max(asset) FROM ("
        "SELECT contract_id, asset FROM token_balances "
        "UNION ALL SELECT contract_id, asset FROM token_metadata "
        "UNION ALL SELECT contract_id, asset FROM token_operations) AS seen GROUP BY 1"
    )
    _create_views(_NAMES, _JOINS, _REFUND, _ACCOUNT)
    op.execute(
        "COMMENT ON COLUMN balances.refund_unknown IS "
        "'whether a refund of fees may be missing from it: the node stated no fees'"
    )


def downgrade() -> None:
    """Take the change back."""
    comments = op.get_bind().execute(sa.text(_COMMENTS)).all()
    op.execute("DROP VIEW balances")  # a view cannot lose a column
    _create_views(_OLD_NAMES, _OLD_JOINS)
    for column, view_comment, comment in comments:
        op.execute(f"COMMENT ON VIEW balances IS {_quoted(view_comment)}")
        op.execute(f"COMMENT ON COLUMN balances.{column} IS {_quoted(comment)}")
    op.drop_table("token_answers")
    op.drop_table("tokens")


def _create_views(names: str, token: str, refund: str = "", account: str = "") -> None:
    balances = _BALANCES.format(
        names=names, more_columns=refund, token=token.format(row="b") + account
    )
    transfers = _TRANSFERS.format(names=names, token=token.format(row="o"))
    op.execute(f"CREATE OR REPLACE VIEW balances AS {balances}")
    op.execute(f"CREATE OR REPLACE VIEW transfers AS {transfers}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _create_tables() -> None:
    op.create_table(
        "tokens",
        sa.Column(
            "contract_id", sa.Text(collation="C"), nullable=False, comment="token contract (C…)"
        ),
        sa.Column(
            "asset",
            sa.Text(collation="C"),
            nullable=True,
            comment="CODE:ISSUER or native, where the contract id proves it",
        ),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_tokens")),
        comment="A contract of which a balance, a token operation or a token's instance was seen. "
        "Key: contract_id.",
    )
    op.create_table(
        "token_answers",
        sa.Column(
            "contract_id", sa.Text(collation="C"), nullable=False, comment="token contract (C…)"
        ),
        sa.Column("name", sa.Text(), nullable=True, comment="name, as the contract states it"),
        sa.Column("symbol", sa.Text(), nullable=True, comment="symbol, as the contract states it"),
        sa.Column(
            "decimals",
            sa.BigInteger(),
            nullable=True,
            comment="digits behind the point in amounts, as stated",
        ),
        sa.Column(
            "asset",
            sa.Text(collation="C"),
            nullable=True,
            comment="CODE:ISSUER or native, where the contract id proves it",
        ),
        sa.Column(
            "ledger",
            sa.Integer(),
            nullable=False,
            comment="ledger of the instance's last change; the node's newest if it has none",
        ),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_token_answers")),
        comment="What the node's own state said of a token whose instance is in no indexed "
        "ledger. Asked once; name is null where it describes no token. Key: contract_id.",
    )
