"""Tables of the state of contracts and accounts

The state tables start empty. The coverage of a database made by 0001 stays: its
ledgers count as stored, but their state changes are missing from the state tables,
and from the views on them, until they are indexed again. Rows that are in quarantine
already have no stream.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TOKEN_COLUMNS = {
    "contract_id": "token contract (C…)",
    "name": "as the contract states it; else the asset",
    "symbol": "as the contract states it; else the code of the asset",
    "decimals": "digits behind the point, as the contract states them; 7 for an asset",
    "asset": "CODE:ISSUER or native, of an asset contract",
}

# Scaled amounts are exact: a product of numerics keeps every digit, a quotient is
# rounded. A numeric ends behind 16383 digits; contracts may state more decimals.
_BALANCES = """
SELECT
    b.address,
    b.contract_id,
    coalesce(m.name, a.asset) AS name,
    coalesce(m.symbol, split_part(a.asset, ':', 1)) AS symbol,
    d.decimals,
    a.asset,
    b.amount,
    CASE WHEN d.decimals BETWEEN 0 AND 16383
        THEN trim_scale(b.amount * ('1e-' || d.decimals)::numeric)
    END AS scaled_amount,
    b.authorized,
    b.source,
    b.ledger
FROM token_balances AS b
LEFT JOIN token_metadata AS m ON m.contract_id = b.contract_id
CROSS JOIN LATERAL (SELECT coalesce(m.asset, b.asset)) AS a (asset)
CROSS JOIN LATERAL (
    SELECT coalesce(m.decimals, CASE WHEN a.asset IS NOT NULL THEN 7 END)
) AS d (decimals)
WHERE NOT b.deleted
"""
_BALANCES_COLUMNS = {
    "address": "holder (G… or C…)",
    **_TOKEN_COLUMNS,
    "amount": "in the token's smallest unit; null: its form is not known",
    "scaled_amount": "amount / 10^decimals, exact; null where either is not known",
    "authorized": "whether the holder may use it; null: not said",
    "source": "contract_data, trustline or account",
    "ledger": "ledger of the last change",
}

_TRANSFERS = """
SELECT
    o.event_id,
    o.ledger,
    o.closed_at,
    o.tx_hash,
    o.type,
    o.contract_id,
    coalesce(m.name, a.asset) AS name,
    coalesce(m.symbol, split_part(a.asset, ':', 1)) AS symbol,
    d.decimals,
    a.asset,
    o.from_address,
    o.to_address,
    o.to_muxed_id,
    o.amount,
    CASE WHEN d.decimals BETWEEN 0 AND 16383
        THEN trim_scale(o.amount * ('1e-' || d.decimals)::numeric)
    END AS scaled_amount
FROM token_operations AS o
LEFT JOIN token_metadata AS m ON m.contract_id = o.contract_id
CROSS JOIN LATERAL (SELECT coalesce(m.asset, o.asset)) AS a (asset)
CROSS JOIN LATERAL (
    SELECT coalesce(m.decimals, CASE WHEN a.asset IS NOT NULL THEN 7 END)
) AS d (decimals)
WHERE o.successful AND o.type IN ('transfer', 'mint', 'burn', 'clawback')
"""
_TRANSFERS_COLUMNS = {
    "event_id": "the event that says it; sorts in chain order",
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "tx_hash": "its transaction",
    "type": "transfer, mint, burn or clawback",
    **_TOKEN_COLUMNS,
    "from_address": "who loses: of transfer, burn, clawback",
    "to_address": "who gains: of transfer, mint",
    "to_muxed_id": "muxed destination: u64 in decimal, string in SEP-51 escapes, or hex",
    "amount": "in the token's smallest unit",
    "scaled_amount": "amount / 10^decimals, exact; null where decimals is not known",
}

_CONTRACT_STORAGE = """
SELECT
    e.contract_id,
    e.durability,
    e.key,
    e.value,
    e.ledger,
    e.live_until_ledger,
    e.durability = 'persistent' AND e.live_until_ledger < stored.newest AS archived
FROM contract_data_entries AS e
CROSS JOIN (SELECT max(sequence) FROM ledgers) AS stored (newest)
WHERE e.ledger IS NOT NULL
    AND NOT e.deleted
    AND (e.durability = 'temporary' AND e.live_until_ledger < stored.newest) IS NOT TRUE
"""
_CONTRACT_STORAGE_COLUMNS = {
    "contract_id": "contract whose entry it is (C…); a nonce has an account (G…)",
    "durability": "temporary or persistent",
    "key": "key, a SEP-51 value",
    "value": "value, a SEP-51 value",
    "ledger": "ledger of its last change",
    "live_until_ledger": "last ledger in which it is live; null: not seen",
    "archived": "whether its life ended before the newest stored ledger, so that it must be "
    "restored to be used; null: not known",
}

_CONTRACT_CREATIONS = """
SELECT
    e.contract_id,
    e.value #>> '{contract_instance,executable,wasm}' AS wasm_hash,
    e.value #>> '{contract_instance,executable}' = 'stellar_asset' AS asset_contract,
    e.created_ledger AS ledger,
    l.closed_at,
    e.created_tx_hash AS tx_hash,
    t.source_account
FROM contract_data_entries AS e
LEFT JOIN ledgers AS l ON l.sequence = e.created_ledger
LEFT JOIN transactions AS t ON t.hash = e.created_tx_hash
WHERE e.key = '"ledger_key_contract_instance"'::jsonb AND e.created_ledger IS NOT NULL
"""
_CONTRACT_CREATIONS_COLUMNS = {
    "contract_id": "the contract (C…)",
    "wasm_hash": "Wasm that it runs now; null for an asset contract",
    "asset_contract": "whether it is an asset's own contract",
    "ledger": "ledger of its creation",
    "closed_at": "close time of that ledger",
    "tx_hash": "transaction that created it",
    "source_account": "source of that transaction (G…)",
}

# Name: query, what a row is, its columns.
_VIEWS = {
    "balances": (
        _BALANCES,
        "What an address holds of a token, as far as it was seen; zero included, deleted not.",
        _BALANCES_COLUMNS,
    ),
    "transfers": (
        _TRANSFERS,
        "A transfer, mint, burn or clawback that a successful transaction applied.",
        _TRANSFERS_COLUMNS,
    ),
    "contract_storage": (
        _CONTRACT_STORAGE,
        "An entry that a contract's storage holds at the newest stored ledger, archived ones "
        "included; not those deleted, expired, or whose value was never seen.",
        _CONTRACT_STORAGE_COLUMNS,
    ),
    "contract_creations": (
        _CONTRACT_CREATIONS,
        "A contract whose creation was seen.",
        _CONTRACT_CREATIONS_COLUMNS,
    ),
}


def upgrade() -> None:
    """Apply the change."""
    _create_tables()
    for name, (query, comment, columns) in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
        op.execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        for column, meaning in columns.items():
            op.execute(f"COMMENT ON COLUMN {name}.{column} IS {_quoted(meaning)}")


def downgrade() -> None:
    """Take the change back."""
    for name in _VIEWS:
        op.execute(f"DROP VIEW {name}")
    _drop_tables()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _create_tables() -> None:
    op.create_table(
        "account_entries",
        sa.Column("account_id", sa.Text(collation="C"), nullable=False, comment="account (G…)"),
        sa.Column("balance", sa.BigInteger(), nullable=True, comment="native balance, stroops"),
        sa.Column("sequence", sa.BigInteger(), nullable=True, comment="sequence number"),
        sa.Column(
            "subentry_count",
            sa.BigInteger(),
            nullable=True,
            comment="number of entries that it owns",
        ),
        sa.Column(
            "inflation_destination",
            sa.Text(collation="C"),
            nullable=True,
            comment="account (G…), if set",
        ),
        sa.Column("flags", sa.BigInteger(), nullable=True, comment="AccountFlags, a bit mask"),
        sa.Column(
            "home_domain", sa.Text(), nullable=True, comment="home domain, in SEP-51 escapes"
        ),
        sa.Column(
            "master_weight", sa.SmallInteger(), nullable=True, comment="weight of its own key"
        ),
        sa.Column(
            "low_threshold",
            sa.SmallInteger(),
            nullable=True,
            comment="weight that low operations need",
        ),
        sa.Column(
            "medium_threshold",
            sa.SmallInteger(),
            nullable=True,
            comment="weight that medium operations need",
        ),
        sa.Column(
            "high_threshold",
            sa.SmallInteger(),
            nullable=True,
            comment="weight that high operations need",
        ),
        sa.Column(
            "signers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment='[{"key", "weight", "sponsor"}], keys as in SEP-23',
        ),
        sa.Column(
            "buying_liabilities",
            sa.BigInteger(),
            nullable=True,
            comment="native, of its offers, stroops",
        ),
        sa.Column(
            "selling_liabilities",
            sa.BigInteger(),
            nullable=True,
            comment="native, of its offers, stroops",
        ),
        sa.Column(
            "sponsored_count",
            sa.BigInteger(),
            nullable=True,
            comment="reserves of it that others pay",
        ),
        sa.Column(
            "sponsoring_count",
            sa.BigInteger(),
            nullable=True,
            comment="reserves of others that it pays",
        ),
        sa.Column(
            "sequence_ledger",
            sa.BigInteger(),
            nullable=True,
            comment="ledger that changed its sequence last",
        ),
        sa.Column(
            "sequence_time",
            sa.Numeric(precision=20, scale=0),
            nullable=True,
            comment="close time of that, Unix seconds",
        ),
        sa.Column(
            "sponsor",
            sa.Text(collation="C"),
            nullable=True,
            comment="who pays the account's reserve (G…)",
        ),
        sa.Column(
            "deleted",
            sa.Boolean(),
            nullable=False,
            comment="whether the last change removed it; then the columns above are null",
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="ledger of the last change"),
        sa.Column(
            "tx_order",
            sa.Integer(),
            nullable=False,
            comment="1-based order of its transaction in the ledger; 1048575: fee refunds behind all transactions",
        ),
        sa.Column(
            "op_order",
            sa.Integer(),
            nullable=False,
            comment="its 1-based operation; 0 before, 4095 after the operations",
        ),
        sa.Column(
            "change_order", sa.Integer(), nullable=False, comment="its index in the list of changes"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_entries")),
        comment="An account after the last change that was seen. Key: account_id.",
    )
    op.create_table(
        "contract_code",
        sa.Column(
            "wasm_hash", sa.Text(collation="C"), nullable=False, comment="SHA-256 of the Wasm, hex"
        ),
        sa.Column(
            "code",
            sa.LargeBinary(),
            nullable=True,
            comment="the Wasm; null: deleted, or never seen",
        ),
        sa.Column("size", sa.Integer(), nullable=True, comment="its length in bytes"),
        sa.Column(
            "deleted", sa.Boolean(), nullable=False, comment="whether the last change removed it"
        ),
        sa.Column("ledger", sa.Integer(), nullable=True, comment="ledger of the last change"),
        sa.Column(
            "tx_order",
            sa.Integer(),
            nullable=True,
            comment="1-based order of its transaction in the ledger; 1048575: fee refunds behind all transactions",
        ),
        sa.Column(
            "op_order",
            sa.Integer(),
            nullable=True,
            comment="its 1-based operation; 0 before, 4095 after the operations",
        ),
        sa.Column(
            "change_order", sa.Integer(), nullable=True, comment="its index in the list of changes"
        ),
        sa.Column(
            "live_until_ledger",
            sa.BigInteger(),
            nullable=True,
            comment="last ledger in which it is live",
        ),
        sa.Column(
            "ttl_ledger",
            sa.Integer(),
            nullable=True,
            comment="ledger of the last change of live_until_ledger",
        ),
        sa.Column(
            "ttl_tx_order",
            sa.Integer(),
            nullable=True,
            comment="1-based order of that change's transaction",
        ),
        sa.Column(
            "first_ledger",
            sa.Integer(),
            nullable=True,
            comment="ledger of its upload; null: not seen",
        ),
        sa.Column(
            "first_tx_order",
            sa.Integer(),
            nullable=True,
            comment="1-based order of the uploading transaction",
        ),
        sa.Column(
            "first_tx_hash",
            sa.Text(collation="C"),
            nullable=True,
            comment="the uploading transaction",
        ),
        sa.PrimaryKeyConstraint("wasm_hash", name=op.f("pk_contract_code")),
        comment="The Wasm that contracts run, after the last change that was seen. Key: wasm_hash. Where ledger is null only its time to live was seen so far.",
    )
    op.create_table(
        "contract_data_entries",
        sa.Column(
            "key_hash",
            sa.Text(collation="C"),
            nullable=False,
            comment="SHA-256 of the LedgerKey's XDR, hex",
        ),
        sa.Column(
            "contract_id",
            sa.Text(collation="C"),
            nullable=False,
            comment="contract whose entry it is (C…); a nonce has an account (G…)",
        ),
        sa.Column("durability", sa.Text(), nullable=False, comment="temporary or persistent"),
        sa.Column(
            "key",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="key, a SEP-51 value",
        ),
        sa.Column("key_xdr", sa.LargeBinary(), nullable=False, comment="key, XDR of the SCVal"),
        sa.Column(
            "value",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="value, a SEP-51 value; null: deleted, or never seen",
        ),
        sa.Column("value_xdr", sa.LargeBinary(), nullable=True, comment="value, XDR of the SCVal"),
        sa.Column(
            "deleted", sa.Boolean(), nullable=False, comment="whether the last change removed it"
        ),
        sa.Column("ledger", sa.Integer(), nullable=True, comment="ledger of the last change"),
        sa.Column(
            "tx_order",
            sa.Integer(),
            nullable=True,
            comment="1-based order of its transaction in the ledger; 1048575: fee refunds behind all transactions",
        ),
        sa.Column(
            "op_order",
            sa.Integer(),
            nullable=True,
            comment="its 1-based operation; 0 before, 4095 after the operations",
        ),
        sa.Column(
            "change_order", sa.Integer(), nullable=True, comment="its index in the list of changes"
        ),
        sa.Column(
            "live_until_ledger",
            sa.BigInteger(),
            nullable=True,
            comment="last ledger in which it is live",
        ),
        sa.Column(
            "ttl_ledger",
            sa.Integer(),
            nullable=True,
            comment="ledger of the last change of live_until_ledger",
        ),
        sa.Column(
            "ttl_tx_order",
            sa.Integer(),
            nullable=True,
            comment="1-based order of that change's transaction",
        ),
        sa.Column(
            "created_ledger",
            sa.Integer(),
            nullable=True,
            comment="ledger of its last creation; null: not seen",
        ),
        sa.Column(
            "created_tx_order",
            sa.Integer(),
            nullable=True,
            comment="1-based order of the creating transaction",
        ),
        sa.Column(
            "created_tx_hash",
            sa.Text(collation="C"),
            nullable=True,
            comment="the creating transaction",
        ),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_contract_data_entries")),
        comment="A contract's storage entry, its instance included, after the last change that was seen. Key: key_hash. Where ledger is null only its time to live was seen so far.",
    )
    op.create_index(
        op.f("ix_contract_data_entries_contract_id"),
        "contract_data_entries",
        ["contract_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_contract_data_entries_created_ledger"),
        "contract_data_entries",
        ["created_ledger"],
        unique=False,
        postgresql_where=sa.text("key = '\"ledger_key_contract_instance\"'::jsonb"),
    )
    op.create_table(
        "token_balances",
        sa.Column(
            "contract_id", sa.Text(collation="C"), nullable=False, comment="token contract (C…)"
        ),
        sa.Column("address", sa.Text(collation="C"), nullable=False, comment="holder (G… or C…)"),
        sa.Column(
            "amount",
            sa.Numeric(precision=39, scale=0),
            nullable=True,
            comment="in the token's smallest unit; 0 where deleted; null: the entry holds no form of balance that is known",
        ),
        sa.Column(
            "authorized",
            sa.Boolean(),
            nullable=True,
            comment="whether the holder may use it; null: not said",
        ),
        sa.Column(
            "clawback",
            sa.Boolean(),
            nullable=True,
            comment="whether the issuer may take it back; null: not said",
        ),
        sa.Column(
            "asset",
            sa.Text(collation="C"),
            nullable=True,
            comment="CODE:ISSUER or native, where a trust line or account shows it",
        ),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="contract_data, trustline or account"
        ),
        sa.Column(
            "deleted", sa.Boolean(), nullable=False, comment="whether the last change removed it"
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="ledger of the last change"),
        sa.Column(
            "tx_order",
            sa.Integer(),
            nullable=False,
            comment="1-based order of its transaction in the ledger; 1048575: fee refunds behind all transactions",
        ),
        sa.Column(
            "op_order",
            sa.Integer(),
            nullable=False,
            comment="its 1-based operation; 0 before, 4095 after the operations",
        ),
        sa.Column(
            "change_order", sa.Integer(), nullable=False, comment="its index in the list of changes"
        ),
        sa.PrimaryKeyConstraint("contract_id", "address", name=op.f("pk_token_balances")),
        comment="A holder's balance of a token after the last change that was seen. Key: contract_id, address.",
    )
    op.create_index(op.f("ix_token_balances_address"), "token_balances", ["address"], unique=False)
    op.create_table(
        "token_metadata",
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
            "admin", sa.Text(collation="C"), nullable=True, comment="administrator (G… or C…)"
        ),
        sa.Column(
            "asset",
            sa.Text(collation="C"),
            nullable=True,
            comment="CODE:ISSUER or native, of an asset contract; or null",
        ),
        sa.Column(
            "issuer", sa.Text(collation="C"), nullable=True, comment="issuer of that asset (G…)"
        ),
        sa.Column(
            "wasm_hash",
            sa.Text(collation="C"),
            nullable=True,
            comment="Wasm that it runs; null: it runs none",
        ),
        sa.Column(
            "deleted",
            sa.Boolean(),
            nullable=False,
            comment="whether the last change removed the contract's instance",
        ),
        sa.Column("ledger", sa.Integer(), nullable=False, comment="ledger of the last change"),
        sa.Column(
            "tx_order",
            sa.Integer(),
            nullable=False,
            comment="1-based order of its transaction in the ledger; 1048575: fee refunds behind all transactions",
        ),
        sa.Column(
            "op_order",
            sa.Integer(),
            nullable=False,
            comment="its 1-based operation; 0 before, 4095 after the operations",
        ),
        sa.Column(
            "change_order", sa.Integer(), nullable=False, comment="its index in the list of changes"
        ),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_token_metadata")),
        comment="What a token contract's instance says of the token. Key: contract_id.",
    )
    op.add_column(
        "quarantine",
        sa.Column(
            "stream",
            sa.Text(collation="C"),
            nullable=True,
            comment="stream of coverage that fetched it last; null: stored by revision 0001",
        ),
    )


def _drop_tables() -> None:
    op.drop_column("quarantine", "stream")
    op.drop_table("token_metadata")
    op.drop_index(op.f("ix_token_balances_address"), table_name="token_balances")
    op.drop_table("token_balances")
    op.drop_index(
        op.f("ix_contract_data_entries_created_ledger"),
        table_name="contract_data_entries",
        postgresql_where=sa.text("key = '\"ledger_key_contract_instance\"'::jsonb"),
    )
    op.drop_index(op.f("ix_contract_data_entries_contract_id"), table_name="contract_data_entries")
    op.drop_table("contract_data_entries")
    op.drop_table("contract_code")
    op.drop_table("account_entries")
