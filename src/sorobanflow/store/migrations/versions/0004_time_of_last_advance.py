"""Time of the last advance of a stream"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column(
        "coverage",
        sa.Column(
            "advanced_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the newest of the ledgers was stored",
        ),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("coverage", "advanced_at")
