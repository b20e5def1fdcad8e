"""Tables of the archive: files that hold ledgers, ledgers whose rows were dropped"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "archives",
        sa.Column(
            "table_name",
            sa.Text(collation="C"),
            nullable=False,
            comment="table whose rows the file holds",
        ),
        sa.Column(
            "first_ledger",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="first ledger of the file",
        ),
        sa.Column(
            "last_ledger", sa.Integer(), nullable=False, comment="last ledger of the file, included"
        ),
        sa.Column(
            "path",
            sa.Text(collation="C"),
            nullable=False,
            comment="where the file is: a path, or a URL such as s3://bucket/…",
        ),
        sa.Column("rows", sa.BigInteger(), comment="rows in it; null: it is being written"),
        sa.Column("bytes", sa.BigInteger(), comment="its size"),
        sa.Column("sha256", sa.Text(collation="C"), comment="SHA-256 of the file, hex"),
        sa.Column(
            "begun_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when its run began to write it",
        ),
        sa.Column(
            "written_at",
            sa.DateTime(timezone=True),
            comment="when it was compared with the table; null: it is being written",
        ),
        sa.PrimaryKeyConstraint("table_name", "first_ledger", name=op.f("pk_archives")),
        comment="A Parquet file that holds the rows of these ledgers, compared row for row. "
        "Key: table_name, first_ledger. Writing to the ledgers removes the record, so that the next "
        "run of archive writes the file again.",
    )
    op.create_table(
        "dropped",
        sa.Column(
            "first_ledger",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="first ledger",
        ),
        sa.Column("last_ledger", sa.Integer(), nullable=False, comment="last ledger, included"),
        sa.Column(
            "dropped_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the run of archive dropped them",
        ),
        sa.PrimaryKeyConstraint("first_ledger", name=op.f("pk_dropped")),
        comment="Ledgers whose rows of what happened are no longer in the database; the table "
        "archives says which file has them. Key: first_ledger. Nothing is written into them.",
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("dropped")
    op.drop_table("archives")
