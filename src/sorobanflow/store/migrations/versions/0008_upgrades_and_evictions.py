"""Upgrades and evictions of whole ledgers; clearer words in comments

Ledgers that are stored already have neither: index them again from whole ledgers.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OLD_LEDGERS = (
    "A ledger of which something is stored. Key: sequence. The columns from hash to "
    "failed_transaction_count are null unless the ledger came whole, from a data lake or "
    "getLedgers. Whether a ledger was read at all is what coverage says: an empty one has a row "
    "only if it came whole."
)
_LEDGERS = (
    "A ledger of which something is stored. Key: sequence. The columns from hash on, but for "
    "proved, are null unless the ledger came whole, from a data lake or getLedgers. Whether a "
    "ledger was read at all is what coverage says: an empty one has a row only if it came whole."
)
_OF_TABLES = (
    "digits behind the point in amounts, as stated",
    "decimal places of amounts, as stated",
)
_OF_VIEWS = (
    "digits behind the point, as the contract states them; 7 for an asset",
    "decimal places, as the contract states them; 7 for an asset",
)
#: Comments of the column `decimals` before and after.
_DECIMALS = {
    "token_metadata": _OF_TABLES,
    "token_answers": _OF_TABLES,
    "balances": _OF_VIEWS,
    "transfers": _OF_VIEWS,
}


def upgrade() -> None:
    """Apply the change."""
    upgrades = "upgrades of the network that it applied, in order, SEP-51; []: none"
    op.add_column("ledgers", sa.Column("upgrades", JSONB(), comment=upgrades))
    evicted = "keys of the entries that it evicted from the live state, in order, SEP-51"
    op.add_column("ledgers", sa.Column("evicted_keys", JSONB(), comment=evicted))
    whole = sa.text("hash IS NOT NULL")
    op.create_index("ix_ledgers_whole", "ledgers", ["sequence"], postgresql_where=whole)
    _comment(1)


def downgrade() -> None:
    """Take the change back."""
    _comment(0)
    op.drop_index("ix_ledgers_whole", "ledgers")
    op.drop_column("ledgers", "evicted_keys")
    op.drop_column("ledgers", "upgrades")


def _comment(after: int) -> None:
    """Comment tables, views and columns as they are before or after the change."""
    op.create_table_comment("ledgers", (_OLD_LEDGERS, _LEDGERS)[after])
    for relation, comments in _DECIMALS.items():
        op.execute(f"COMMENT ON COLUMN {relation}.decimals IS '{comments[after]}'")
