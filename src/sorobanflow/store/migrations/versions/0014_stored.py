"""Tables of what happened in the schema `stored`, partitioned by ledger; today's names as views

The rows are smaller: hashes in binary, numbers in place of names and ids, nothing where a rule
says the value. The views have the columns, names and types that the tables had. Contract data
goes without the XDR of keys and values, which SEP-51 keeps whole; its rows keep their size until
they are written again, or until VACUUM FULL contract_data_entries.
"""

from collections.abc import Iterable

from alembic import op
from sqlalchemy import text

from sorobanflow.store.set_aside import read_both, refuse_dependents

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

#: Table: comment, key, indexes, and each column's type and comment.
_TABLES: dict[str, tuple[str, str, dict[str, str], dict[str, tuple[str, str]]]] = {
    "events": (
        "A contract or system event. Key: ledger, tx_index, op_index, event_index.",
        "ledger, tx_index, op_index, event_index",
        {
            "ix_events_contract_id_ledger": "(contract_id, ledger)",
            "ix_events_tx_hash": "USING hash ((encode(tx_hash, 'hex') COLLATE \"C\"))",
        },
        {
            "closed_at": ("timestamptz NOT NULL", "close time of the ledger"),
            "ledger": ("integer NOT NULL", "sequence of the ledger"),
            "tx_index": (
                "integer NOT NULL",
                "1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
            ),
            "op_index": ("integer NOT NULL", "0-based operation; 4095 after the transaction"),
            "event_index": ("integer NOT NULL", "index within its stage"),
            "is_system": ("boolean NOT NULL", "whether its type is system; contract otherwise"),
            "in_successful_call": (
                "boolean",
                "whether the transaction succeeded, as the node said; null where it does not",
            ),
            "tx_hash": (
                "bytea NOT NULL",
                "transaction that emitted it (the outer hash of a fee bump)",
            ),
            "contract_id": ('text COLLATE "C"', "emitting contract (C…), if any"),
            "topics": ("jsonb NOT NULL", "topics in order, SEP-51 values"),
            "value": ("jsonb NOT NULL", "data, a SEP-51 value"),
        },
    ),
    "transactions": (
        "A transaction, successful or failed, classic or Soroban. Key: ledger, application_order.",
        "ledger, application_order",
        {
            "ix_transactions_hash": "USING hash ((encode(hash, 'hex') COLLATE \"C\"))",
            "ix_transactions_source_account_ledger": "(source_account, ledger)",
        },
        {
            "closed_at": ("timestamptz NOT NULL", "close time of the ledger"),
            "fee_bid": ("bigint NOT NULL", "highest fee offered, stroops"),
            "fee_charged": ("bigint NOT NULL", "fee charged, stroops"),
            "sequence": ("bigint NOT NULL", "sequence number of the source"),
            "ledger": ("integer NOT NULL", "sequence of the ledger"),
            "application_order": ("integer NOT NULL", "1-based order in the ledger"),
            "operation_count": ("integer NOT NULL", "number of operations"),
            "successful": ("boolean NOT NULL", "whether it was applied"),
            "fee_bump": ("boolean NOT NULL", "whether a fee bump wraps it"),
            "hash": ("bytea NOT NULL", "transaction hash; the outer one of a fee bump"),
            "signatures": (
                "bytea NOT NULL",
                "in order, 69 bytes each: hint, length, and signature with zeros up to 64 bytes",
            ),
            "source_account": (
                'text COLLATE "C" NOT NULL',
                "source (G…), of the inner transaction for a fee bump",
            ),
            "inclusion_fee_charged": (
                "bigint",
                "of the fee charged, without the resource fee, stroops; null: not known, or the transaction is classic and it is all of it",
            ),
            "soroban_resource_fee": ("bigint", "resource fee offered, stroops"),
            "non_refundable_fee_charged": ("bigint", "of the resource fee, stroops"),
            "refundable_fee_charged": ("bigint", "of the resource fee, stroops"),
            "rent_fee_charged": ("bigint", "rent within the refundable fee, stroops"),
            "resource_fee_refund": (
                "bigint",
                "of the resource fee offered, stroops; null: classic, or not known",
            ),
            "result_code": ("text", "result code; null: tx_success"),
            "return_value": (
                "jsonb",
                "what its contract call returned, a SEP-51 value; null: failed, or no such call",
            ),
            "source_muxed_id": ("numeric(20, 0)", "id of a muxed source, u64"),
            "fee_account": ('text COLLATE "C"', "account that pays (G…); null: source_account"),
            "fee_account_muxed_id": ("numeric(20, 0)", "id of a muxed fee account, u64"),
            "memo_type": ("text", "text, id, hash or return; null: none"),
            "memo": ("text", "memo: text in SEP-51 escapes, id in decimal, hash in hex"),
            "min_time": ("numeric(20, 0)", "not before, Unix seconds"),
            "max_time": ("numeric(20, 0)", "not after, Unix seconds; 0: no bound"),
            "min_ledger": ("bigint", "not before this ledger"),
            "max_ledger": ("bigint", "before this ledger; 0: no bound"),
            "min_sequence": ("bigint", "lowest sequence of the source that is allowed"),
            "min_sequence_age": ("numeric(20, 0)", "seconds since the source's last use"),
            "min_sequence_ledger_gap": ("bigint", "ledgers since the source's last use"),
            "extra_signers": ("jsonb", "signer keys (SEP-23) that must sign too"),
            "inner_hash": ("bytea", "hash of the wrapped transaction"),
            "inner_fee_bid": ("bigint", "fee offered by the wrapped one, stroops"),
            "inner_result_code": ("text", "result code of the wrapped one"),
            "inner_signatures": ("bytea", "those of the wrapped one"),
            "soroban_resources": ("jsonb", "footprint and limits asked for, SEP-51"),
            "soroban_archived_entries": (
                "jsonb",
                "0-based positions in the footprint's read_write of archived entries that it restores before it runs (CAP-66)",
            ),
        },
    ),
    "operations": (
        "An operation of a transaction. Key: ledger, application_order, op_index.",
        "ledger, application_order, op_index",
        {
            "ix_operations_tx_hash": "USING hash ((encode(tx_hash, 'hex') COLLATE \"C\"))",
        },
        {
            "closed_at": ("timestamptz NOT NULL", "close time of the ledger"),
            "ledger": ("integer NOT NULL", "sequence of the ledger"),
            "application_order": (
                "integer NOT NULL",
                "its transaction's 1-based order in the ledger",
            ),
            "op_index": ("integer NOT NULL", "0-based order in the transaction"),
            "type": ("smallint NOT NULL", "number of its OperationType"),
            "successful": ("boolean NOT NULL", "whether its transaction was applied"),
            "tx_hash": ("bytea NOT NULL", "its transaction"),
            "source_account": (
                'text COLLATE "C" NOT NULL',
                "source (G…): its own or the transaction's",
            ),
            "source_muxed_id": ("numeric(20, 0)", "id of a muxed source, u64"),
            "details": ("jsonb NOT NULL", "body of the operation, SEP-51; null: none"),
            "result_code": (
                "text",
                "its result; null: success in a successful transaction, else that was not applied",
            ),
            "result": (
                "jsonb",
                "what the result holds beside its code, e.g. offers claimed, SEP-51; null: nothing. Of a failed transaction too, where nothing of it stands",
            ),
        },
    ),
    "trades": (
        "A trade: an offer or a liquidity pool that an operation of a successful transaction took from (ClaimAtom). Key: ledger, application_order, op_index, trade_index.",
        "ledger, application_order, op_index, trade_index",
        {
            "ix_trades_buyer_ledger": "(buyer, ledger)",
            "ix_trades_seller_ledger": "(seller, ledger)",
            "ix_trades_sold_asset_bought_asset_ledger": "(sold_asset, bought_asset, ledger)",
            "ix_trades_tx_hash": "USING hash ((encode(tx_hash, 'hex') COLLATE \"C\"))",
        },
        {
            "closed_at": ("timestamptz NOT NULL", "close time of the ledger"),
            "offer_id": ("bigint", "the offer; null for a pool"),
            "sold_amount": ("bigint NOT NULL", "how much of sold_asset, in 1/10,000,000"),
            "bought_amount": ("bigint NOT NULL", "how much of bought_asset, in 1/10,000,000"),
            "ledger": ("integer NOT NULL", "sequence of the ledger"),
            "application_order": (
                "integer NOT NULL",
                "its transaction's 1-based order in the ledger",
            ),
            "op_index": ("integer NOT NULL", "0-based operation that made it"),
            "trade_index": ("integer NOT NULL", "0-based order in the operation"),
            "tx_hash": ("bytea NOT NULL", "its transaction"),
            "seller": ('text COLLATE "C"', "owner of the offer (G…); null for a pool"),
            "pool_id": ('text COLLATE "C"', "the liquidity pool (L…); null for an offer"),
            "buyer": ('text COLLATE "C" NOT NULL', "source of the operation (G…)"),
            "sold_asset": (
                'text COLLATE "C" NOT NULL',
                "what seller or pool gave, CODE:ISSUER or native",
            ),
            "bought_asset": (
                'text COLLATE "C" NOT NULL',
                "what seller or pool got, CODE:ISSUER or native",
            ),
        },
    ),
    "token_operations": (
        "A token operation that an event states (SEP-41, CAP-67). Key: ledger, tx_index, op_index, event_index, as of its event.",
        "ledger, tx_index, op_index, event_index",
        {
            "ix_token_operations_contract_id_ledger": "(contract_id, ledger)",
            "ix_token_operations_from_address_ledger": "(from_address, ledger)",
            "ix_token_operations_to_address_ledger": "(to_address, ledger)",
        },
        {
            "closed_at": ("timestamptz NOT NULL", "close time of the ledger"),
            "ledger": ("integer NOT NULL", "sequence of the ledger"),
            "tx_index": (
                "integer NOT NULL",
                "1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
            ),
            "op_index": ("integer NOT NULL", "0-based operation; 4095 after the transaction"),
            "event_index": ("integer NOT NULL", "index within its stage"),
            "type": (
                "smallint NOT NULL",
                "0 transfer, 1 mint, 2 burn, 3 clawback, 4 approve, 5 set_authorized, 6 set_admin, 7 fee",
            ),
            "successful": ("boolean NOT NULL", "whether the transaction was applied"),
            "tx_hash": ("bytea NOT NULL", "its transaction"),
            "contract_id": ('text COLLATE "C" NOT NULL', "token contract (C…)"),
            "from_address": (
                'text COLLATE "C"',
                "who loses or allows: of transfer, burn, clawback, approve, fee",
            ),
            "to_address": (
                'text COLLATE "C"',
                "who gains: of transfer, mint; the spender of approve; the account of set_authorized; the new admin of set_admin",
            ),
            "admin_address": ('text COLLATE "C"', "admin that the event names"),
            "amount": (
                "numeric(39, 0)",
                "i128 in the token's smallest unit; a negative fee is a refund",
            ),
            "authorized": ("boolean", "of set_authorized"),
            "live_until_ledger": ("bigint", "of approve: last ledger of the allowance"),
            "to_muxed_id": (
                "text",
                "muxed destination: u64 in decimal, string in SEP-51 escapes, or hex",
            ),
            "to_muxed_type": ("text", "u64, string or bytes"),
        },
    ),
    "contract_calls": (
        "A call of a contract's function, as diagnostic events tell it; only if they are asked for, and the source has them. They are not on the chain: nothing proves them, and an audit does not compare them. Key: ledger, application_order, call_index.",
        "ledger, application_order, call_index",
        {
            "ix_contract_calls_contract_id_ledger": "(contract_id, ledger)",
            "ix_contract_calls_tx_hash": "USING hash ((encode(tx_hash, 'hex') COLLATE \"C\"))",
        },
        {
            "closed_at": ("timestamptz NOT NULL", "close time of the ledger"),
            "ledger": ("integer NOT NULL", "sequence of the ledger"),
            "application_order": (
                "integer NOT NULL",
                "its transaction's 1-based order in the ledger",
            ),
            "call_index": ("integer NOT NULL", "0-based order of the calls in the transaction"),
            "depth": ("integer NOT NULL", "0 of a call that no other one made"),
            "parent_index": ("integer", "call_index of the call that made it, if any"),
            "returned": ("boolean NOT NULL", "whether its return was seen"),
            "tx_hash": ("bytea NOT NULL", "its transaction"),
            "contract_id": ('text COLLATE "C"', "called contract (C…), if the event names one"),
            "function": ("text NOT NULL", "name of the function, in SEP-51 escapes"),
            "arguments": (
                "jsonb",
                "arguments in order, SEP-51 values; a single vec or void looks like its items, or none; null: larger than 64 KiB",
            ),
            "result": (
                "jsonb",
                "what it returned, a SEP-51 value; null: it did not, or larger than 64 KiB",
            ),
            "core_metrics": ("jsonb", "of call 0: figures of the transaction, by name"),
        },
    ),
}

_OPERATION_TYPES = (
    "create_account,payment,path_payment_strict_receive,manage_sell_offer,"
    "create_passive_sell_offer,set_options,change_trust,allow_trust,account_merge,inflation,"
    "manage_data,bump_sequence,manage_buy_offer,path_payment_strict_send,"
    "create_claimable_balance,claim_claimable_balance,begin_sponsoring_future_reserves,"
    "end_sponsoring_future_reserves,revoke_sponsorship,clawback,clawback_claimable_balance,"
    "set_trust_line_flags,liquidity_pool_deposit,liquidity_pool_withdraw,invoke_host_function,"
    "extend_footprint_ttl,restore_footprint"
)
_OF_TOKENS = "transfer,mint,burn,clawback,approve,set_authorized,set_admin,fee"


def _hex(column: str) -> str:
    return f"encode({column}, 'hex') COLLATE \"C\""


def _name(types: str) -> str:
    return f"('{{{types}}}'::text[])[r.type + 1]"


#: SEP-35: ledger, transaction and operation in 64 bits; then the event's index.
_EVENT_ID = (
    "lpad(((r.ledger::bigint << 32) | (r.tx_index::bigint << 12) | r.op_index)::text, 19, '0')"
    " || '-' || lpad(r.event_index::text, 10, '0')"
)
#: View: an expression for each column that its table does not have as it is.
_SHOWN = {
    "events": {
        "id": f'({_EVENT_ID}) COLLATE "C"',
        "tx_hash": _hex("r.tx_hash"),
        "event_index": "r.event_index::bigint",
        "type": "CASE WHEN r.is_system THEN 'system' ELSE 'contract' END",
    },
    "transactions": {
        "hash": _hex("r.hash"),
        "result_code": "coalesce(r.result_code, 'tx_success')",
        "fee_account": "coalesce(r.fee_account, r.source_account)",
        "inclusion_fee_charged": "CASE WHEN r.soroban_resource_fee IS NULL THEN r.fee_charged "
        "ELSE r.inclusion_fee_charged END",
        "memo_type": "coalesce(r.memo_type, 'none')",
        "signatures": "stored.signatures(r.signatures)",
        "inner_hash": _hex("r.inner_hash"),
        "inner_signatures": "stored.signatures(r.inner_signatures)",
    },
    "operations": {
        "tx_hash": _hex("r.tx_hash"),
        "type": _name(_OPERATION_TYPES),
        "result_code": "CASE WHEN r.successful THEN coalesce(r.result_code, 'success') "
        "ELSE r.result_code END",
    },
    "trades": {
        "tx_hash": _hex("r.tx_hash"),
        "type": "CASE WHEN r.pool_id IS NULL THEN 'order_book' ELSE 'liquidity_pool' END",
        "price_n": "CASE WHEN r.sold_amount <> 0 THEN (r.bought_amount / "
        "gcd(r.bought_amount::numeric, r.sold_amount))::bigint END",
        "price_d": "CASE WHEN r.sold_amount <> 0 THEN (r.sold_amount / "
        "gcd(r.bought_amount::numeric, r.sold_amount))::bigint END",
    },
    "token_operations": {
        "event_id": f'({_EVENT_ID}) COLLATE "C"',
        "tx_hash": _hex("r.tx_hash"),
        "op_index": "CASE WHEN r.tx_index NOT IN (0, 1048575) AND r.op_index <> 4095 "
        "THEN r.op_index END",
        "type": _name(_OF_TOKENS),
        "asset": "t.asset",
    },
    "contract_calls": {"tx_hash": _hex("r.tx_hash")},
}
_JOINED = {"token_operations": " LEFT JOIN tokens AS t ON t.contract_id = r.contract_id"}
#: Views that read these; they are to read the new ones.
_READERS = (
    "transfers",
    "contract_creations",
    "trade_prices",
    "path_payments",
    "contract_invocations",
    "timeline",
)
_FUNCTIONS = (
    """
CREATE FUNCTION stored.signatures(packed bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'hint', encode(substring(packed, 69 * n + 1, 4), 'hex'),
        'signature', encode(substring(packed, 69 * n + 6, get_byte(packed, 69 * n + 4)), 'hex')
    ) ORDER BY n), '[]') FROM generate_series(0, length(packed) / 69 - 1) AS n
$$""",
    """
CREATE FUNCTION stored.pack_signatures(shown jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(string_agg(decode(
        (one ->> 'hint') || lpad(to_hex(length(one ->> 'signature') / 2), 2, '0')
        || rpad(one ->> 'signature', 128, '0'), 'hex'
    ), '' ORDER BY n), '') FROM jsonb_array_elements(shown) WITH ORDINALITY AS s (one, n)
$$""",
)
#: Old table: key, columns that are never null beside it, indexes.
_OLD = {
    "events": (
        "id",
        "ledger closed_at tx_hash tx_index op_index event_index type topics value",
        ("ledger", "tx_hash", "contract_id, ledger"),
    ),
    "transactions": (
        "hash",
        "ledger application_order closed_at successful result_code source_account fee_account "
        "fee_bid fee_charged sequence memo_type signatures fee_bump operation_count",
        ("ledger", "source_account, ledger"),
    ),
    "operations": (
        "tx_hash, op_index",
        "ledger closed_at type source_account details successful",
        ("ledger",),
    ),
    "trades": (
        "tx_hash, op_index, trade_index",
        "ledger closed_at type buyer sold_asset sold_amount bought_asset bought_amount",
        ("ledger", "seller, ledger", "buyer, ledger", "sold_asset, bought_asset, ledger"),
    ),
    "token_operations": (
        "event_id",
        "ledger closed_at tx_hash contract_id type successful",
        ("ledger", "contract_id, ledger", "from_address, ledger", "to_address, ledger"),
    ),
    "contract_calls": (
        "tx_hash, call_index",
        "ledger closed_at depth function returned",
        ("ledger", "contract_id, ledger"),
    ),
}


def upgrade() -> None:
    """Apply the change."""
    refuse_dependents(_READERS)
    readers = _read_readers()
    op.execute("CREATE SCHEMA unmoved")
    op.execute("CREATE SCHEMA stored")
    op.execute("COMMENT ON SCHEMA stored IS 'Tables of what happened, by ledger; read the views'")
    for function in _FUNCTIONS:
        op.execute(function)
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} SET SCHEMA unmoved")
        _create_table(table)
        _create_view(table)
    _replace_readers(readers)
    op.drop_column("contract_data_entries", "key_xdr")
    op.drop_column("contract_data_entries", "value_xdr")
    read_both()


def downgrade() -> None:
    """Take the change back: the old tables are written from the views; XDR is lost."""
    refuse_dependents(_READERS)
    readers = _read_readers()
    for table in _TABLES:
        _create_old_table(table)
    _replace_readers(readers)
    for table in _TABLES:
        op.execute(f"DROP VIEW {table}_now")
    op.execute("DROP SCHEMA IF EXISTS unmoved CASCADE")
    op.execute("DROP SCHEMA stored CASCADE")
    op.execute(
        "ALTER TABLE contract_data_entries ADD COLUMN key_xdr bytea NOT NULL DEFAULT '', "
        "ADD COLUMN value_xdr bytea"
    )
    op.execute("ALTER TABLE contract_data_entries ALTER COLUMN key_xdr DROP DEFAULT")


def _create_table(table: str) -> None:
    comment, key, indexes, columns = _TABLES[table]
    name = f"stored.{table}"
    lines = [f"{column} {kind}" for column, (kind, _) in columns.items()]
    lines.append(f"CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    op.execute(f"CREATE TABLE {name} ({', '.join(lines)}) PARTITION BY RANGE (ledger)")
    for index, on in indexes.items():
        op.execute(f"CREATE INDEX {index} ON {name} {on}")
    op.execute(f"COMMENT ON TABLE {name} IS {_quoted(comment)}")
    for column, (_, meaning) in columns.items():
        op.execute(f"COMMENT ON COLUMN {name}.{column} IS {_quoted(meaning)}")
    _copy_grants(f"unmoved.{table}", name)


def _create_view(table: str) -> None:
    """Show a table as it was, with its old comments; who may read the table may read the view."""
    columns = _columns(f"unmoved.{table}")
    shown = [f"{_SHOWN[table].get(one, f'r.{one}')} AS {one}" for one, _ in columns]
    rows = f"stored.{table} AS r{_JOINED.get(table, '')}"
    op.execute(f"CREATE VIEW {table} AS SELECT {', '.join(shown)} FROM {rows}")  # noqa: S608
    op.execute(f"COMMENT ON VIEW {table} IS {_quoted(_comment(f'unmoved.{table}'))}")
    for column, meaning in columns:
        op.execute(f"COMMENT ON COLUMN {table}.{column} IS {_quoted(meaning)}")
    _copy_grants(f"unmoved.{table}", table)


def _create_old_table(table: str) -> None:
    key, required, indexes = _OLD[table]
    comment, columns = _comment(table), _columns(table)
    op.execute(f"ALTER VIEW {table} RENAME TO {table}_now")
    op.execute(f"CREATE TABLE {table} AS SELECT * FROM {table}_now")  # noqa: S608
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    for column in required.split():
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
    for on in indexes:
        op.execute(f"CREATE INDEX ix_{table}_{on.replace(', ', '_')} ON {table} ({on})")
    op.execute(f"COMMENT ON TABLE {table} IS {_quoted(comment)}")
    for column, meaning in columns:
        op.execute(f"COMMENT ON COLUMN {table}.{column} IS {_quoted(meaning)}")
    _copy_grants(f"stored.{table}", table)


def _read_readers() -> list[tuple[str, str]]:
    query = text(
        "SELECT name, pg_get_viewdef(to_regclass(name)) FROM unnest(CAST(:names AS text[])) AS name"
    )
    return [(name, sql) for name, sql in op.get_bind().execute(query, {"names": [*_READERS]})]


def _replace_readers(readers: Iterable[tuple[str, str]]) -> None:
    """Have views read what has the old names now; their comments and privileges stay."""
    for name, sql in readers:
        op.get_bind().exec_driver_sql(
            f"CREATE OR REPLACE VIEW {name} AS {sql}", execution_options={"no_parameters": True}
        )


def _columns(relation: str) -> list[tuple[str, str]]:
    query = text(
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum"
    )
    return [(name, said) for name, said in op.get_bind().execute(query, {"name": relation})]


def _comment(relation: str) -> str:
    query = text("SELECT obj_description(CAST(:name AS regclass))")
    return str(op.get_bind().execute(query, {"name": relation}).scalar())


def _copy_grants(old: str, new: str) -> None:
    """Grant on a relation what was granted on another one."""
    query = text(
        "SELECT privilege_type || ' ON ' || :new || ' TO ' || CASE grantee WHEN 0 THEN 'PUBLIC' "
        "ELSE CAST(CAST(grantee AS regrole) AS text) END "
        "|| CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END "
        "FROM pg_class AS c, aclexplode(relacl) WHERE c.oid = CAST(:old AS regclass)"
    )
    for grant in op.get_bind().execute(query, {"old": old, "new": new}).scalars().all():
        op.execute(f"GRANT {grant}")


def _quoted(said: str) -> str:
    return "'" + said.replace("'", "''").replace(":", "\\:") + "'"
