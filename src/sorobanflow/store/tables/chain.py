"""Tables of what happened: ledgers, events, transactions, operations, token operations.

Their rows never change once the chain has them; writing one again changes nothing.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables.columns import (
    closed_at_column,
    id_column,
    key_column,
    ledger_column,
    metadata,
    text_column,
)

ledgers = Table(
    "ledgers",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False, comment="ledger sequence"),
    closed_at_column(),
    Column("transaction_count", Integer, nullable=False, comment="rows of it in transactions"),
    Column("event_count", Integer, nullable=False, comment="rows of it in events"),
    comment="A ledger of which something is stored. Key: sequence. "
    "Whether a ledger was read at all is what coverage says: an empty one has no row here.",
)

events = Table(
    "events",
    metadata,
    key_column(
        "id",
        "RPC event id: TOID and event index, zero-padded; sorts in chain order",
        primary_key=True,
    ),
    ledger_column(),
    closed_at_column(),
    key_column("tx_hash", "transaction that emitted it (the outer hash of a fee bump)"),
    Column(
        "tx_index",
        Integer,
        nullable=False,
        comment="1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
    ),
    Column(
        "op_index", Integer, nullable=False, comment="0-based operation; 4095 after the transaction"
    ),
    Column("event_index", BigInteger, nullable=False, comment="index within its stage"),
    Column("type", Text, nullable=False, comment="contract or system"),
    id_column("contract_id", "emitting contract (C…), if any"),
    Column("topics", JSONB, nullable=False, comment="topics in order, SEP-51 values"),
    Column("value", JSONB, nullable=False, comment="data, a SEP-51 value"),
    Column(
        "in_successful_call",
        Boolean,
        comment="whether the transaction succeeded, as the node said; null where it does not",
    ),
    Index(None, "ledger"),
    Index(None, "tx_hash"),
    Index(None, "contract_id", "ledger"),
    comment="A contract or system event, as getEvents gives it. Key: id.",
)

transactions = Table(
    "transactions",
    metadata,
    key_column("hash", "transaction hash, hex; the outer one of a fee bump", primary_key=True),
    ledger_column(),
    Column("application_order", Integer, nullable=False, comment="1-based order in the ledger"),
    closed_at_column(),
    Column("successful", Boolean, nullable=False, comment="whether it was applied"),
    Column("result_code", Text, nullable=False, comment="result code, e.g. tx_success"),
    key_column("source_account", "source (G…), of the inner transaction for a fee bump"),
    Column("source_muxed_id", Numeric(20, 0), comment="id of a muxed source, u64"),
    key_column("fee_account", "account that pays (G…)"),
    Column("fee_account_muxed_id", Numeric(20, 0), comment="id of a muxed fee account, u64"),
    Column("fee_bid", BigInteger, nullable=False, comment="highest fee offered, stroops"),
    Column("fee_charged", BigInteger, nullable=False, comment="fee charged, stroops"),
    Column("sequence", BigInteger, nullable=False, comment="sequence number of the source"),
    Column("memo_type", Text, nullable=False, comment="none, text, id, hash or return"),
    text_column("memo", "memo: text in SEP-51 escapes, id in decimal, hash in hex"),
    Column("min_time", Numeric(20, 0), comment="not before, Unix seconds"),
    Column("max_time", Numeric(20, 0), comment="not after, Unix seconds; 0: no bound"),
    Column("min_ledger", BigInteger, comment="not before this ledger"),
    Column("max_ledger", BigInteger, comment="before this ledger; 0: no bound"),
    Column("min_sequence", BigInteger, comment="lowest sequence of the source that is allowed"),
    Column("min_sequence_age", Numeric(20, 0), comment="seconds since the source's last use"),
    Column("min_sequence_ledger_gap", BigInteger, comment="ledgers since the source's last use"),
    Column("extra_signers", JSONB, comment="signer keys (SEP-23) that must sign too"),
    Column("signatures", JSONB, nullable=False, comment="hint and signature, hex, in order"),
    Column("fee_bump", Boolean, nullable=False, comment="whether a fee bump wraps it"),
    id_column("inner_hash", "hash of the wrapped transaction"),
    Column("inner_fee_bid", BigInteger, comment="fee offered by the wrapped one, stroops"),
    Column("inner_result_code", Text, comment="result code of the wrapped one"),
    Column("inner_signatures", JSONB, comment="signatures of the wrapped one"),
    Column("operation_count", Integer, nullable=False, comment="number of operations"),
    Column("soroban_resource_fee", BigInteger, comment="resource fee offered, stroops"),
    Column("soroban_resources", JSONB, comment="footprint and limits asked for, SEP-51"),
    Column("non_refundable_fee_charged", BigInteger, comment="of the resource fee, stroops"),
    Column("refundable_fee_charged", BigInteger, comment="of the resource fee, stroops"),
    Column("rent_fee_charged", BigInteger, comment="rent within the refundable fee, stroops"),
    Index(None, "ledger"),
    Index(None, "source_account", "ledger"),
    comment="A transaction, successful or failed, classic or Soroban. Key: hash.",
)

operations = Table(
    "operations",
    metadata,
    key_column("tx_hash", "its transaction", primary_key=True),
    Column(
        "op_index",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="0-based order in the transaction",
    ),
    ledger_column(),
    closed_at_column(),
    Column("type", Text, nullable=False, comment="operation type, e.g. invoke_host_function"),
    key_column("source_account", "source (G…): its own or the transaction's"),
    Column("source_muxed_id", Numeric(20, 0), comment="id of a muxed source, u64"),
    Column("details", JSONB, nullable=False, comment="body of the operation, SEP-51; null: none"),
    text_column(
        "result_code", "its result, e.g. success; null where the transaction was not applied"
    ),
    Column("successful", Boolean, nullable=False, comment="whether its transaction was applied"),
    Index(None, "ledger"),
    comment="An operation of a transaction. Key: tx_hash, op_index.",
)

token_operations = Table(
    "token_operations",
    metadata,
    key_column("event_id", "the event that says it", primary_key=True),
    ledger_column(),
    closed_at_column(),
    key_column("tx_hash", "its transaction"),
    Column("op_index", Integer, comment="0-based operation; null for fee events"),
    key_column("contract_id", "token contract (C…)"),
    Column(
        "type",
        Text,
        nullable=False,
        comment="transfer, mint, burn, clawback, approve, set_authorized, set_admin or fee",
    ),
    id_column("from_address", "who loses or allows: of transfer, burn, clawback, approve, fee"),
    id_column(
        "to_address",
        "who gains: of transfer, mint; the spender of approve; "
        "the account of set_authorized; the new admin of set_admin",
    ),
    id_column("admin_address", "admin that the event names"),
    Column(
        "amount",
        Numeric(39, 0),
        comment="i128 in the token's smallest unit; a negative fee is a refund",
    ),
    Column("authorized", Boolean, comment="of set_authorized"),
    Column("live_until_ledger", BigInteger, comment="of approve: last ledger of the allowance"),
    text_column(
        "to_muxed_id", "muxed destination: u64 in decimal, string in SEP-51 escapes, or hex"
    ),
    text_column("to_muxed_type", "u64, string or bytes"),
    id_column("asset", "CODE:ISSUER or native, where the contract id proves it"),
    Column("successful", Boolean, nullable=False, comment="whether the transaction was applied"),
    Index(None, "ledger"),
    Index(None, "contract_id", "ledger"),
    Index(None, "from_address", "ledger"),
    Index(None, "to_address", "ledger"),
    comment="A token operation that an event states (SEP-41, CAP-67). Key: event_id.",
)
