"""Tables of what happened, from ledgers to token operations; their rows never change."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables.columns import (
    closed_at_column,
    id_column,
    key_column,
    ledger_column,
    metadata,
    number_key,
    required_column,
    text_column,
)

ledgers = Table(
    "ledgers",
    metadata,
    number_key("sequence", "ledger sequence"),
    closed_at_column(),
    required_column("transaction_count", Integer, "rows of it in transactions"),
    required_column("event_count", Integer, "rows of it in events"),
    id_column("hash", "hash of the header, hex"),
    id_column("previous_hash", "hash of the ledger before, hex"),
    Column("protocol", BigInteger, comment="version of the protocol"),
    Column("base_fee", BigInteger, comment="lowest fee of an operation, stroops"),
    Column("base_reserve", BigInteger, comment="reserve of an entry, stroops"),
    Column("fee_pool", BigInteger, comment="fees collected by the network so far, stroops"),
    Column("total_coins", BigInteger, comment="lumens in existence, stroops"),
    Column("operation_count", Integer, comment="rows of it in operations"),
    Column("failed_transaction_count", Integer, comment="rows of it in transactions that failed"),
    Column(
        "proved",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether the whole ledger was read, and its hashes proved",
    ),
    Column(
        "upgrades",
        JSONB,
        comment="upgrades of the network that it applied, in order, SEP-51; []: none",
    ),
    Column(
        "evicted_keys",
        JSONB,
        comment="keys of the entries that it evicted from the live state, in order, SEP-51",
    ),
    # Small, and without it the newest header is a scan of all ledgers where none came whole.
    Index("ix_ledgers_whole", "sequence", postgresql_where=text("hash IS NOT NULL")),
    comment="A ledger of which something is stored. Key: sequence. The columns from hash on, but "
    "for proved, are null unless the ledger came whole, from a data lake or getLedgers. Whether a "
    "ledger was read at all is what coverage says: an empty one has a row only if it came whole.",
)

events = Table(
    "events",
    metadata,
    key_column("id", "RPC event id: TOID and event index, zero-padded; sorts in chain order"),
    ledger_column(),
    closed_at_column(),
    id_column(
        "tx_hash", "transaction that emitted it (the outer hash of a fee bump)", nullable=False
    ),
    required_column(
        "tx_index",
        Integer,
        "1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
    ),
    required_column("op_index", Integer, "0-based operation; 4095 after the transaction"),
    required_column("event_index", BigInteger, "index within its stage"),
    required_column("type", Text, "contract or system"),
    id_column("contract_id", "emitting contract (C…), if any"),
    required_column("topics", JSONB, "topics in order, SEP-51 values"),
    required_column("value", JSONB, "data, a SEP-51 value"),
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
    key_column("hash", "transaction hash, hex; the outer one of a fee bump"),
    ledger_column(),
    required_column("application_order", Integer, "1-based order in the ledger"),
    closed_at_column(),
    required_column("successful", Boolean, "whether it was applied"),
    required_column("result_code", Text, "result code, e.g. tx_success"),
    Column(
        "return_value",
        JSONB,
        comment="what its contract call returned, a SEP-51 value; null: failed, or no such call",
    ),
    id_column(
        "source_account", "source (G…), of the inner transaction for a fee bump", nullable=False
    ),
    Column("source_muxed_id", Numeric(20, 0), comment="id of a muxed source, u64"),
    id_column("fee_account", "account that pays (G…)", nullable=False),
    Column("fee_account_muxed_id", Numeric(20, 0), comment="id of a muxed fee account, u64"),
    required_column("fee_bid", BigInteger, "highest fee offered, stroops"),
    required_column("fee_charged", BigInteger, "fee charged, stroops"),
    Column(
        "inclusion_fee_charged",
        BigInteger,
        comment="of the fee charged, without the resource fee, stroops; all of it if the "
        "transaction is classic; null: not known",
    ),
    required_column("sequence", BigInteger, "sequence number of the source"),
    required_column("memo_type", Text, "none, text, id, hash or return"),
    text_column("memo", "memo: text in SEP-51 escapes, id in decimal, hash in hex"),
    Column("min_time", Numeric(20, 0), comment="not before, Unix seconds"),
    Column("max_time", Numeric(20, 0), comment="not after, Unix seconds; 0: no bound"),
    Column("min_ledger", BigInteger, comment="not before this ledger"),
    Column("max_ledger", BigInteger, comment="before this ledger; 0: no bound"),
    Column("min_sequence", BigInteger, comment="lowest sequence of the source that is allowed"),
    Column("min_sequence_age", Numeric(20, 0), comment="seconds since the source's last use"),
    Column("min_sequence_ledger_gap", BigInteger, comment="ledgers since the source's last use"),
    Column("extra_signers", JSONB, comment="signer keys (SEP-23) that must sign too"),
    required_column("signatures", JSONB, "hint and signature, hex, in order"),
    required_column("fee_bump", Boolean, "whether a fee bump wraps it"),
    id_column("inner_hash", "hash of the wrapped transaction"),
    Column("inner_fee_bid", BigInteger, comment="fee offered by the wrapped one, stroops"),
    Column("inner_result_code", Text, comment="result code of the wrapped one"),
    Column("inner_signatures", JSONB, comment="signatures of the wrapped one"),
    required_column("operation_count", Integer, "number of operations"),
    Column("soroban_resource_fee", BigInteger, comment="resource fee offered, stroops"),
    Column("soroban_resources", JSONB, comment="footprint and limits asked for, SEP-51"),
    Column(
        "soroban_archived_entries",
        JSONB,
        comment="0-based positions in the footprint's read_write of archived entries that it "
        "restores before it runs (CAP-66)",
    ),
    Column("non_refundable_fee_charged", BigInteger, comment="of the resource fee, stroops"),
    Column("refundable_fee_charged", BigInteger, comment="of the resource fee, stroops"),
    Column("rent_fee_charged", BigInteger, comment="rent within the refundable fee, stroops"),
    Column(
        "resource_fee_refund",
        BigInteger,
        comment="of the resource fee offered, stroops; null: classic, or not known",
    ),
    Index(None, "ledger"),
    Index(None, "source_account", "ledger"),
    comment="A transaction, successful or failed, classic or Soroban. Key: hash.",
)

operations = Table(
    "operations",
    metadata,
    key_column("tx_hash", "its transaction"),
    number_key("op_index", "0-based order in the transaction"),
    ledger_column(),
    closed_at_column(),
    required_column("type", Text, "operation type, e.g. invoke_host_function"),
    id_column("source_account", "source (G…): its own or the transaction's", nullable=False),
    Column("source_muxed_id", Numeric(20, 0), comment="id of a muxed source, u64"),
    required_column("details", JSONB, "body of the operation, SEP-51; null: none"),
    text_column(
        "result_code", "its result, e.g. success; null where the transaction was not applied"
    ),
    Column(
        "result",
        JSONB,
        comment="what the result holds beside its code, e.g. offers claimed, SEP-51; null: "
        "nothing. Of a failed transaction too, where nothing of it stands",
    ),
    required_column("successful", Boolean, "whether its transaction was applied"),
    Index(None, "ledger"),
    comment="An operation of a transaction. Key: tx_hash, op_index.",
)

trades = Table(
    "trades",
    metadata,
    key_column("tx_hash", "its transaction"),
    number_key("op_index", "0-based operation that made it"),
    number_key("trade_index", "0-based order in the operation"),
    ledger_column(),
    closed_at_column(),
    required_column("type", Text, "order_book or liquidity_pool"),
    id_column("seller", "owner of the offer (G…); null for a pool"),
    Column("offer_id", BigInteger, comment="the offer; null for a pool"),
    id_column("pool_id", "the liquidity pool (L…); null for an offer"),
    id_column("buyer", "source of the operation (G…)", nullable=False),
    id_column("sold_asset", "what seller or pool gave, CODE:ISSUER or native", nullable=False),
    required_column("sold_amount", BigInteger, "how much of it, in units of 1/10,000,000"),
    id_column("bought_asset", "what seller or pool got, CODE:ISSUER or native", nullable=False),
    required_column("bought_amount", BigInteger, "how much of it, in units of 1/10,000,000"),
    Column(
        "price_n",
        BigInteger,
        comment="numerator of bought_amount / sold_amount, reduced; null where nothing was sold",
    ),
    Column("price_d", BigInteger, comment="its denominator; null where nothing was sold"),
    Index(None, "ledger"),
    Index(None, "seller", "ledger"),
    Index(None, "buyer", "ledger"),
    Index(None, "sold_asset", "bought_asset", "ledger"),
    comment="A trade: an offer or a liquidity pool that an operation of a successful transaction "
    "took from (ClaimAtom). Key: tx_hash, op_index, trade_index.",
)

token_operations = Table(
    "token_operations",
    metadata,
    key_column("event_id", "the event that says it"),
    ledger_column(),
    closed_at_column(),
    id_column("tx_hash", "its transaction", nullable=False),
    Column("op_index", Integer, comment="0-based operation; null for fee events"),
    id_column("contract_id", "token contract (C…)", nullable=False),
    required_column(
        "type", Text, "transfer, mint, burn, clawback, approve, set_authorized, set_admin or fee"
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
    required_column("successful", Boolean, "whether the transaction was applied"),
    Index(None, "ledger"),
    Index(None, "contract_id", "ledger"),
    Index(None, "from_address", "ledger"),
    Index(None, "to_address", "ledger"),
    comment="A token operation that an event states (SEP-41, CAP-67). Key: event_id.",
)

contract_calls = Table(
    "contract_calls",
    metadata,
    key_column("tx_hash", "its transaction"),
    number_key("call_index", "0-based order of the calls in the transaction"),
    ledger_column(),
    closed_at_column(),
    required_column("depth", Integer, "0 of a call that no other one made"),
    Column("parent_index", Integer, comment="call_index of the call that made it, if any"),
    id_column("contract_id", "called contract (C…), if the event names one"),
    required_column("function", Text, "name of the function, in SEP-51 escapes"),
    Column(
        "arguments",
        JSONB,
        comment="arguments in order, SEP-51 values; a single vec or void looks like its items, or "
        "none; null: larger than 64 KiB",
    ),
    Column(
        "result",
        JSONB,
        comment="what it returned, a SEP-51 value; null: it did not, or larger than 64 KiB",
    ),
    required_column("returned", Boolean, "whether its return was seen"),
    Column("core_metrics", JSONB, comment="of call 0: figures of the transaction, by name"),
    Index(None, "ledger"),
    Index(None, "contract_id", "ledger"),
    comment="A call of a contract's function, as diagnostic events tell it; only if they are asked "
    "for, and the source has them. They are not on the chain: nothing proves them, and an audit "
    "does not compare them. Key: tx_hash, call_index.",
)
