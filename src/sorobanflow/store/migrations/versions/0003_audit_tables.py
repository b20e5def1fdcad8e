"""Tables of the audit"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "audited",
        sa.Column(
            "stream", sa.Text(collation="C"), nullable=False, comment="the stream of coverage"
        ),
        sa.Column(
            "ledgers",
            postgresql.INT4MULTIRANGE(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="ledgers whose event shapes are counted",
        ),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_audited")),
        comment="Where audits have counted event shapes, per stream. Key: stream.",
    )
    op.create_table(
        "event_shapes",
        sa.Column(
            "stream",
            sa.Text(collation="C"),
            nullable=False,
            comment="the stream of coverage that holds them",
        ),
        sa.Column(
            "contract_id", sa.Text(collation="C"), nullable=False, comment="emitting contract (C…)"
        ),
        sa.Column(
            "shape",
            sa.Text(collation="C"),
            nullable=False,
            comment="symbol of the first topic, types of the topics, type of the value",
        ),
        sa.Column("events", sa.BigInteger(), nullable=False, comment="how many were counted"),
        sa.Column("first_ledger", sa.Integer(), nullable=False, comment="first ledger with one"),
        sa.Column("last_ledger", sa.Integer(), nullable=False, comment="last ledger with one"),
        sa.Column(
            "first_audit",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="start of the audit that saw it first",
        ),
        sa.PrimaryKeyConstraint("stream", "contract_id", "shape", name=op.f("pk_event_shapes")),
        comment="A shape of a contract's events that no token operation was read from. "
        "Key: stream, contract_id, shape. Counted by audits, over the ledgers in audited.",
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("event_shapes")
    op.drop_table("audited")
