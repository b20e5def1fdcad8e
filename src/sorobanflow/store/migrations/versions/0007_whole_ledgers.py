"""What whole ledgers say: headers, and entries that were evicted

Rows that are stored already have no header, and none of their entries is marked evicted: index
their ledgers again from whole ledgers to have both.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_HEADER: tuple[sa.Column[Any], ...] = (
    sa.Column("hash", sa.Text(collation="C"), comment="hash of the header, hex"),
    sa.Column("previous_hash", sa.Text(collation="C"), comment="hash of the ledger before, hex"),
    sa.Column("protocol", sa.BigInteger(), comment="version of the protocol"),
    sa.Column("base_fee", sa.BigInteger(), comment="lowest fee of an operation, stroops"),
    sa.Column("base_reserve", sa.BigInteger(), comment="reserve of an entry, stroops"),
    sa.Column("fee_pool", sa.BigInteger(), comment="fees collected by the network so far, stroops"),
    sa.Column("total_coins", sa.BigInteger(), comment="lumens in existence, stroops"),
    sa.Column("operation_count", sa.Integer(), comment="rows of it in operations"),
    sa.Column(
        "failed_transaction_count",
        sa.Integer(),
        comment="rows of it in transactions that failed",
    ),
    sa.Column(
        "proved",
        sa.Boolean(),
        server_default=sa.text("false"),
        nullable=False,
        comment="whether the whole ledger was read, and its hashes proved",
    ),
)
_EVICTED = (
    "whether the ledger in ttl_ledger evicted it from the live state. A temporary entry is then "
    "deleted; another one can be restored"
)
_CONTRACT_TABLES = ("contract_data_entries", "contract_code")
_STATE_TABLES = (*_CONTRACT_TABLES, "account_entries", "token_metadata", "token_balances")

_OLD_LEDGERS = (
    "A ledger of which something is stored. Key: sequence. Whether a ledger was read at all is "
    "what coverage says: an empty one has no row here."
)
_LEDGERS = (
    "A ledger of which something is stored. Key: sequence. The columns from hash to "
    "failed_transaction_count are null unless the ledger came whole, from a data lake or "
    "getLedgers. Whether a ledger was read at all is what coverage says: an empty one has a row "
    "only if it came whole."
)
#: Comments before and after, by column.
_CHANGE = {
    "tx_order": (
        "1-based order of its transaction in the ledger; 1048575: fee refunds behind all "
        "transactions",
        "1-based order of its transaction in the ledger; 0: fees before all transactions, "
        "1048575: fees after them, 1048576: upgrades, 1048577: evictions",
    ),
    "op_order": (
        "its 1-based operation; 0 before, 4095 after the operations",
        "its 1-based operation; 0 before, 4095 after the operations; of fees and upgrades, the "
        "1-based transaction or upgrade (0: a refund that an event states)",
    ),
}
_TTL = {
    "live_until_ledger": (
        "last ledger in which it is live",
        "last ledger in which it is live; null: not seen, or evicted",
    ),
    "ttl_tx_order": (
        "1-based order of that change's transaction",
        "1-based order of that change's transaction; 1048577: eviction",
    ),
}

_CONTRACT_STORAGE = """
SELECT
    e.contract_id,
    e.durability,
    e.key,
    e.value,
    e.ledger,
    e.live_until_ledger,
    e.durability = 'persistent' AND ({evicted}e.live_until_ledger < stored.newest) AS archived
FROM contract_data_entries AS e
CROSS JOIN (SELECT max(sequence) FROM ledgers) AS stored (newest)
WHERE e.ledger IS NOT NULL
    AND NOT e.deleted
    AND (e.durability = 'temporary' AND ({evicted}e.live_until_ledger < stored.newest)) IS NOT TRUE
"""


def upgrade() -> None:
    """Apply the change."""
    for column in _HEADER:
        op.add_column("ledgers", column._copy())
    for table in _CONTRACT_TABLES:
        default = sa.text("false")
        evicted: sa.Column[Any] = sa.Column(
            "evicted", sa.Boolean(), server_default=default, nullable=False, comment=_EVICTED
        )
        op.add_column(table, evicted)
    op.execute(
        f"CREATE OR REPLACE VIEW contract_storage AS "
        f"{_CONTRACT_STORAGE.format(evicted='e.evicted OR ')}"
    )
    _comment(1)


def downgrade() -> None:
    """Take the change back."""
    _comment(0)
    op.execute(f"CREATE OR REPLACE VIEW contract_storage AS {_CONTRACT_STORAGE.format(evicted='')}")
    for table in _CONTRACT_TABLES:
        op.drop_column(table, "evicted")
    for column in _HEADER:
        op.drop_column("ledgers", column.name)


def _comment(after: int) -> None:
    """Comment tables and columns as they are before or after the change."""
    op.create_table_comment("ledgers", (_OLD_LEDGERS, _LEDGERS)[after])
    tables = [(table, _CHANGE) for table in _STATE_TABLES]
    tables += [(table, _TTL) for table in _CONTRACT_TABLES]
    for table, columns in tables:
        for column, comments in columns.items():
            op.execute(f"COMMENT ON COLUMN {table}.{column} IS '{_quoted(comments[after])}'")


def _quoted(text: str) -> str:
    return text.replace("'", "''")
