"""Tables of the chain and of coverage"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "coverage",
        sa.Column(
            "stream",
            sa.Text(collation="C"),
            nullable=False,
            comment="what is indexed: all, or filter- and a digest",
        ),
        sa.Column(
            "filter",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the filter of getEvents; null: everything",
        ),
        sa.Column(
            "ledgers",
            postgresql.INT4MULTIRANGE(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="ledgers stored whole",
        ),
        sa.Column(
            "indexed_from",
            sa.Integer(),
            nullable=True,
            comment="first ledger that live indexing promised; from here on holes are work",
        ),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_coverage")),
        comment="What is stored whole, per stream. Key: stream. The only memory of progress: it moves only in the transaction that stored the rows.",
    )
    op.create_table(
        "events",
        sa.Column(
            "id",
            sa.Text(collation="C"),
            nullable=False,
            comment="RPC event id: TOID and event index, zero-padded; sorts in chain order",
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="sequence of the ledger"),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="close time of the ledger",
        ),
        sa.Column(
            "tx_hash",
            sa.Text(collation="C"),
            nullable=False,
            comment="transaction that emitted it (the outer hash of a fee bump)",
        ),
        sa.Column(
            "tx_index",
            sa.Integer(),
            nullable=False,
            comment="1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
        ),
        sa.Column(
            "op_index",
            sa.Integer(),
            nullable=False,
            comment="0-based operation; 4095 after the transaction",
        ),
        sa.Column("event_index", sa.BigInteger(), nullable=False, comment="index within its stage"),
        sa.Column("type", sa.Text(), nullable=False, comment="contract or system"),
        sa.Column(
            "contract_id",
            sa.Text(collation="C"),
            nullable=True,
            comment="emitting contract (C…), if any",
        ),
        sa.Column(
            "topics",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="topics in order, SEP-51 values",
        ),
        sa.Column(
            "value",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="data, a SEP-51 value",
        ),
        sa.Column(
            "in_successful_call",
            sa.Boolean(),
            nullable=True,
            comment="whether the transaction succeeded, as the node said; null where it does not",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        comment="A contract or system event, as getEvents gives it. Key: id.",
    )
    op.create_index(
        op.f("ix_events_contract_id_ledger"), "events", ["contract_id", "ledger"], unique=False
    )
    op.create_index(op.f("ix_events_ledger"), "events", ["ledger"], unique=False)
    op.create_index(op.f("ix_events_tx_hash"), "events", ["tx_hash"], unique=False)
    op.create_table(
        "gaps",
        sa.Column(
            "stream",
            sa.Text(collation="C"),
            nullable=False,
            comment="the stream of coverage that lacks them",
        ),
        sa.Column(
            "first_ledger",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="first missing ledger",
        ),
        sa.Column(
            "last_ledger", sa.Integer(), nullable=False, comment="last missing ledger, included"
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="why they are missing"),
        sa.Column(
            "first_seen",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the gap was recorded",
        ),
        sa.PrimaryKeyConstraint("stream", "first_ledger", name=op.f("pk_gaps")),
        comment="Ledgers that a stream lacks and the node no longer has. Key: stream, first_ledger. A gap leaves when its ledgers are stored after all.",
    )
    op.create_table(
        "ledgers",
        sa.Column(
            "sequence", sa.Integer(), autoincrement=False, nullable=False, comment="ledger sequence"
        ),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="close time of the ledger",
        ),
        sa.Column(
            "transaction_count", sa.Integer(), nullable=False, comment="rows of it in transactions"
        ),
        sa.Column("event_count", sa.Integer(), nullable=False, comment="rows of it in events"),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledgers")),
        comment="A ledger of which something is stored. Key: sequence. Whether a ledger was read at all is what coverage says: an empty one has no row here.",
    )
    op.create_table(
        "network",
        sa.Column(
            "one_row",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="always true: one row",
        ),
        sa.Column("passphrase", sa.Text(), nullable=False, comment="passphrase of the network"),
        sa.CheckConstraint("one_row", name=op.f("ck_network_one_row")),
        sa.PrimaryKeyConstraint("one_row", name=op.f("pk_network")),
        comment="The network that this database holds, pinned by the first run. One row.",
    )
    op.create_table(
        "operations",
        sa.Column("tx_hash", sa.Text(collation="C"), nullable=False, comment="its transaction"),
        sa.Column(
            "op_index",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="0-based order in the transaction",
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="sequence of the ledger"),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="close time of the ledger",
        ),
        sa.Column(
            "type", sa.Text(), nullable=False, comment="operation type, e.g. invoke_host_function"
        ),
        sa.Column(
            "source_account",
            sa.Text(collation="C"),
            nullable=False,
            comment="source (G…): its own or the transaction's",
        ),
        sa.Column(
            "source_muxed_id",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="id of a muxed source, u64",
        ),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="body of the operation, SEP-51; null: none",
        ),
        sa.Column(
            "result_code",
            sa.Text(),
            nullable=True,
            comment="its result, e.g. success; null where the transaction was not applied",
        ),
        sa.Column(
            "successful",
            sa.Boolean(),
            nullable=False,
            comment="whether its transaction was applied",
        ),
        sa.PrimaryKeyConstraint("tx_hash", "op_index", name=op.f("pk_operations")),
        comment="An operation of a transaction. Key: tx_hash, op_index.",
    )
    op.create_index(op.f("ix_operations_ledger"), "operations", ["ledger"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="event, transaction or token_operation"
        ),
        sa.Column(
            "key",
            sa.Text(collation="C"),
            nullable=False,
            comment="event id or transaction hash; SHA-256 of the payload where it has none",
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="ledger that it came with"),
        sa.Column(
            "payload", sa.Text(), nullable=False, comment="the item as the node sent it, JSON"
        ),
        sa.Column("error_class", sa.Text(), nullable=False, comment="class of the error"),
        sa.Column("error", sa.Text(), nullable=False, comment="its message"),
        sa.Column(
            "attempts",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="times that it failed",
        ),
        sa.Column(
            "first_seen",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it failed first",
        ),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_quarantine")),
        comment="An item that could not be decoded, whole. Key: kind, key. It leaves when it is stored after all.",
    )
    op.create_index(op.f("ix_quarantine_ledger"), "quarantine", ["ledger"], unique=False)
    op.create_table(
        "token_operations",
        sa.Column(
            "event_id", sa.Text(collation="C"), nullable=False, comment="the event that says it"
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="sequence of the ledger"),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="close time of the ledger",
        ),
        sa.Column("tx_hash", sa.Text(collation="C"), nullable=False, comment="its transaction"),
        sa.Column(
            "op_index",
            sa.Integer(),
            nullable=True,
            comment="0-based operation; null for fee events",
        ),
        sa.Column(
            "contract_id", sa.Text(collation="C"), nullable=False, comment="token contract (C…)"
        ),
        sa.Column(
            "type",
            sa.Text(),
            nullable=False,
            comment="transfer, mint, burn, clawback, approve, set_authorized, set_admin or fee",
        ),
        sa.Column(
            "from_address",
            sa.Text(collation="C"),
            nullable=True,
            comment="who loses or allows: of transfer, burn, clawback, approve, fee",
        ),
        sa.Column(
            "to_address",
            sa.Text(collation="C"),
            nullable=True,
            comment="who gains: of transfer, mint; the spender of approve; the account of set_authorized; the new admin of set_admin",
        ),
        sa.Column(
            "admin_address",
            sa.Text(collation="C"),
            nullable=True,
            comment="admin that the event names",
        ),
        sa.Column(
            "amount",
            sa.Numeric(precision=39, scale=0),
            nullable=True,
            comment="i128 in the token's smallest unit; a negative fee is a refund",
        ),
        sa.Column("authorized", sa.Boolean(), nullable=True, comment="of set_authorized"),
        sa.Column(
            "live_until_ledger",
            sa.BigInteger(),
            nullable=True,
            comment="of approve: last ledger of the allowance",
        ),
        sa.Column(
            "to_muxed_id",
            sa.Text(),
            nullable=True,
            comment="muxed destination: u64 in decimal, string in SEP-51 escapes, or hex",
        ),
        sa.Column("to_muxed_type", sa.Text(), nullable=True, comment="u64, string or bytes"),
        sa.Column(
            "asset",
            sa.Text(collation="C"),
            nullable=True,
            comment="CODE:ISSUER or native, where the contract id proves it",
        ),
        sa.Column(
            "successful",
            sa.Boolean(),
            nullable=False,
            comment="whether the transaction was applied",
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_token_operations")),
        comment="A token operation that an event states (SEP-41, CAP-67). Key: event_id.",
    )
    op.create_index(
        op.f("ix_token_operations_contract_id_ledger"),
        "token_operations",
        ["contract_id", "ledger"],
        unique=False,
    )
    op.create_index(
        op.f("ix_token_operations_from_address_ledger"),
        "token_operations",
        ["from_address", "ledger"],
        unique=False,
    )
    op.create_index(
        op.f("ix_token_operations_ledger"), "token_operations", ["ledger"], unique=False
    )
    op.create_index(
        op.f("ix_token_operations_to_address_ledger"),
        "token_operations",
        ["to_address", "ledger"],
        unique=False,
    )
    op.create_table(
        "transactions",
        sa.Column(
            "hash",
            sa.Text(collation="C"),
            nullable=False,
            comment="transaction hash, hex; the outer one of a fee bump",
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="sequence of the ledger"),
        sa.Column(
            "application_order", sa.Integer(), nullable=False, comment="1-based order in the ledger"
        ),
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="close time of the ledger",
        ),
        sa.Column("successful", sa.Boolean(), nullable=False, comment="whether it was applied"),
        sa.Column("result_code", sa.Text(), nullable=False, comment="result code, e.g. tx_success"),
        sa.Column(
            "source_account",
            sa.Text(collation="C"),
            nullable=False,
            comment="source (G…), of the inner transaction for a fee bump",
        ),
        sa.Column(
            "source_muxed_id",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="id of a muxed source, u64",
        ),
        sa.Column(
            "fee_account", sa.Text(collation="C"), nullable=False, comment="account that pays (G…)"
        ),
        sa.Column(
            "fee_account_muxed_id",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="id of a muxed fee account, u64",
        ),
        sa.Column(
            "fee_bid", sa.BigInteger(), nullable=False, comment="highest fee offered, stroops"
        ),
        sa.Column("fee_charged", sa.BigInteger(), nullable=False, comment="fee charged, stroops"),
        sa.Column(
            "sequence", sa.BigInteger(), nullable=False, comment="sequence number of the source"
        ),
        sa.Column("memo_type", sa.Text(), nullable=False, comment="none, text, id, hash or return"),
        sa.Column(
            "memo",
            sa.Text(),
            nullable=True,
            comment="memo: text in SEP-51 escapes, id in decimal, hash in hex",
        ),
        sa.Column(
            "min_time",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="not before, Unix seconds",
        ),
        sa.Column(
            "max_time",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="not after, Unix seconds; 0: no bound",
        ),
        sa.Column("min_ledger", sa.BigInteger(), nullable=True, comment="not before this ledger"),
        sa.Column(
            "max_ledger", sa.BigInteger(), nullable=True, comment="before this ledger; 0: no bound"
        ),
        sa.Column(
            "min_sequence",
            sa.BigInteger(),
            nullable=True,
            comment="lowest sequence of the source that is allowed",
        ),
        sa.Column(
            "min_sequence_age",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="seconds since the source's last use",
        ),
        sa.Column(
            "min_sequence_ledger_gap",
            sa.BigInteger(),
            nullable=True,
            comment="ledgers since the source's last use",
        ),
        sa.Column(
            "extra_signers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="signer keys (SEP-23) that must sign too",
        ),
        sa.Column(
            "signatures",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="hint and signature, hex, in order",
        ),
        sa.Column("fee_bump", sa.Boolean(), nullable=False, comment="whether a fee bump wraps it"),
        sa.Column(
            "inner_hash",
            sa.Text(collation="C"),
            nullable=True,
            comment="hash of the wrapped transaction",
        ),
        sa.Column(
            "inner_fee_bid",
            sa.BigInteger(),
            nullable=True,
            comment="fee offered by the wrapped one, stroops",
        ),
        sa.Column(
            "inner_result_code", sa.Text(), nullable=True, comment="result code of the wrapped one"
        ),
        sa.Column(
            "inner_signatures",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="signatures of the wrapped one",
        ),
        sa.Column("operation_count", sa.Integer(), nullable=False, comment="number of operations"),
        sa.Column(
            "soroban_resource_fee",
            sa.BigInteger(),
            nullable=True,
            comment="resource fee offered, stroops",
        ),
        sa.Column(
            "soroban_resources",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="footprint and limits asked for, SEP-51",
        ),
        sa.Column(
            "non_refundable_fee_charged",
            sa.BigInteger(),
            nullable=True,
            comment="of the resource fee, stroops",
        ),
        sa.Column(
            "refundable_fee_charged",
            sa.BigInteger(),
            nullable=True,
            comment="of the resource fee, stroops",
        ),
        sa.Column(
            "rent_fee_charged",
            sa.BigInteger(),
            nullable=True,
            comment="rent within the refundable fee, stroops",
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_transactions")),
        comment="A transaction, successful or failed, classic or Soroban. Key: hash.",
    )
    op.create_index(op.f("ix_transactions_ledger"), "transactions", ["ledger"], unique=False)
    op.create_index(
        op.f("ix_transactions_source_account_ledger"),
        "transactions",
        ["source_account", "ledger"],
        unique=False,
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(op.f("ix_transactions_source_account_ledger"), table_name="transactions")
    op.drop_index(op.f("ix_transactions_ledger"), table_name="transactions")
    op.drop_table("transactions")
    op.drop_index(op.f("ix_token_operations_to_address_ledger"), table_name="token_operations")
    op.drop_index(op.f("ix_token_operations_ledger"), table_name="token_operations")
    op.drop_index(op.f("ix_token_operations_from_address_ledger"), table_name="token_operations")
    op.drop_index(op.f("ix_token_operations_contract_id_ledger"), table_name="token_operations")
    op.drop_table("token_operations")
    op.drop_index(op.f("ix_quarantine_ledger"), table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index(op.f("ix_operations_ledger"), table_name="operations")
    op.drop_table("operations")
    op.drop_table("network")
    op.drop_table("ledgers")
    op.drop_table("gaps")
    op.drop_index(op.f("ix_events_tx_hash"), table_name="events")
    op.drop_index(op.f("ix_events_ledger"), table_name="events")
    op.drop_index(op.f("ix_events_contract_id_ledger"), table_name="events")
    op.drop_table("events")
    op.drop_table("coverage")
