"""Refunds that are not known

Accounts that are stored already are not marked: index their ledgers again if your node
states no fee events.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OLD_COMMENTS = {
    "contract_data_entries": "A contract's storage entry, its instance included, after the last "
    "change that was seen. Key: key_hash. Where ledger is null only its time to live was seen so "
    "far.",
    "contract_code": "The Wasm that contracts run, after the last change that was seen. Key: "
    "wasm_hash. Where ledger is null only its time to live was seen so far.",
    "account_entries": "An account after the last change that was seen. Key: account_id.",
    "token_metadata": "What a token contract's instance says of the token. Key: contract_id.",
    "token_balances": "A holder's balance of a token after the last change that was seen. Key: "
    "contract_id, address.",
}


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "account_entries",
        sa.Column(
            "refund_unknown",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether a refund of fees may be missing from balance: the node stated no fees",
        ),
    )
    for table, comment in _OLD_COMMENTS.items():
        op.create_table_comment(table, f"{comment} Filtered streams write none.")


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("account_entries", "refund_unknown")
    for table, comment in _OLD_COMMENTS.items():
        op.create_table_comment(table, comment)
