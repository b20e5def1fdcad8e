"""Comments name the units of amounts, and what results and subentries include"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: Comments before and after, by column.
_COMMENTS = {
    "operations.result": (
        "what the result holds beside its code, e.g. offers claimed, SEP-51; null: nothing",
        "what the result holds beside its code, e.g. offers claimed, SEP-51; null: nothing. "
        "Of a failed transaction too, where nothing of it stands",
    ),
    **dict.fromkeys(
        ("trades.sold_amount", "trades.bought_amount"),
        ("how much of it, in units of 0.0000001", "how much of it, in units of 1/10,000,000"),
    ),
    "account_entries.subentry_count": (
        "number of entries that it owns",
        "its trust lines, offers, data and signers; one of pool shares counts as two",
    ),
    "trust_lines.trust_limit": (
        "most that it may hold (limit)",
        "most that it may hold (limit), in units of 1/10,000,000",
    ),
    "trust_lines.buying_liabilities": (
        "what the account's offers may add to it",
        "what the account's offers may add to it, in units of 1/10,000,000",
    ),
    "trust_lines.selling_liabilities": (
        "what the account's offers may take of it",
        "what the account's offers may take of it, in units of 1/10,000,000",
    ),
}


def upgrade() -> None:
    """Apply the change."""
    _comment(1)


def downgrade() -> None:
    """Take the change back."""
    _comment(0)


def _comment(after: int) -> None:
    """Comment columns as they are before or after the change."""
    for column, comments in _COMMENTS.items():
        text = comments[after].replace("'", "''")
        op.execute(f"COMMENT ON COLUMN {column} IS '{text}'")
