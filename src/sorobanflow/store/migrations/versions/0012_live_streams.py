"""Table of live indexing; id of the database"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "live_streams",
        sa.Column(
            "stream", sa.Text(collation="C"), nullable=False, comment="the stream of coverage"
        ),
        sa.Column(
            "run",
            sa.Text(collation="C"),
            nullable=True,
            comment="id of the Prefect flow run that indexes it; the ones before it end",
        ),
        sa.Column(
            "health",
            sa.Text(collation="C"),
            nullable=True,
            comment="healthy, incomplete (something is missing) or unhealthy; null: not known",
        ),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its health became that",
        ),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="what is wrong, and what to do; null: nothing",
        ),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when a message last said so",
        ),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_live_streams")),
        comment="What the runs of a schedule of the flow index remember of a stream. Key: stream. "
        "Rows may be deleted: then it is as if no such run had been.",
    )
    op.add_column(
        "network",
        sa.Column(
            "database_id",
            postgresql.UUID(),
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
            comment="names this database, and its copies, in the tags of Prefect's runs",
        ),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("network", "database_id")
    op.drop_table("live_streams")
