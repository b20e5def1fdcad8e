"""Tables of what happened, from ledgers to contract calls; their rows never change.

All but `ledgers` are partitioned by ledger, in the schema `stored`; people read the views of the
same names in the schema `public`. A column is null where a rule says its value, which the views
write. Columns that are never null come first, by their alignment: so rows have no gaps.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables.columns import (
    closed_at_column,
    hash_column,
    id_column,
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

#: Of tables that are partitioned by ledger.
_BY_LEDGER: dict[str, Any] = {"schema": "stored", "postgresql_partition_by": "RANGE (ledger)"}


def _ledger_key() -> Column[int]:
    return number_key("ledger", "sequence of the ledger")


def _order_key() -> Column[int]:
    return number_key("application_order", "its transaction's 1-based order in the ledger")


def _event_key() -> list[Column[int]]:
    """Make the columns of the key after the ledger, which are those of an event's id."""
    return [
        number_key(
            "tx_index",
            "1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
        ),
        number_key("op_index", "0-based operation; 4095 after the transaction"),
        number_key("event_index", "index within its stage"),
    ]


def _hash_index(table: str, column: str = "tx_hash") -> Index:
    """Index what the view shows of a hash, in the collation "C".

    Entries of a B-tree would be three times as large.
    """
    shown = text(f"encode({column}, 'hex')")
    return Index(f"ix_{table}_{column}", shown, postgresql_using="hash")


events = Table(
    "events",
    metadata,
    closed_at_column(),
    _ledger_key(),
    *_event_key(),
    required_column("is_system", Boolean, "whether its type is system; contract otherwise"),
    Column(
        "in_successful_call",
        Boolean,
        comment="whether the transaction succeeded, as the node said; null where it does not",
    ),
    hash_column(
        "tx_hash", "transaction that emitted it (the outer hash of a fee bump)", nullable=False
    ),
    id_column("contract_id", "emitting contract (C…), if any"),
    required_column("topics", JSONB, "topics in order, SEP-51 values"),
    required_column("value", JSONB, "data, a SEP-51 value"),
    _hash_index("events"),
    Index(None, "contract_id", "ledger"),
    comment="A contract or system event. Key: ledger, tx_index, op_index, event_index.",
    **_BY_LEDGER,
)

transactions = Table(
    "transactions",
    metadata,
    closed_at_column(),
    required_column("fee_bid", BigInteger, "highest fee offered, stroops"),
    required_column("fee_charged", BigInteger, "fee charged, stroops"),
    required_column("sequence", BigInteger, "sequence number of the source"),
    _ledger_key(),
    number_key("application_order", "1-based order in the ledger"),
    required_column("operation_count", Integer, "number of operations"),
    required_column("successful", Boolean, "whether it was applied"),
    required_column("fee_bump", Boolean, "whether a fee bump wraps it"),
    hash_column("hash", "transaction hash; the outer one of a fee bump", nullable=False),
    required_column(
        "signatures",
        LargeBinary,
        "in order, 69 bytes each: hint, length, and signature with zeros up to 64 bytes",
    ),
    id_column(
        "source_account", "source (G…), of the inner transaction for a fee bump", nullable=False
    ),
    Column(
        "inclusion_fee_charged",
        BigInteger,
        comment="of the fee charged, without the resource fee, stroops; null: not known, or "
        "the transaction is classic and it is all of it",
    ),
    Column("soroban_resource_fee", BigInteger, comment="resource fee offered, stroops"),
    Column("non_refundable_fee_charged", BigInteger, comment="of the resource fee, stroops"),
    Column("refundable_fee_charged", BigInteger, comment="of the resource fee, stroops"),
    Column("rent_fee_charged", BigInteger, comment="rent within the refundable fee, stroops"),
    Column(
        "resource_fee_refund",
        BigInteger,
        comment="of the resource fee offered, stroops; null: classic, or not known",
    ),
    text_column("result_code", "result code; null: tx_success"),
    Column(
        "return_value",
        JSONB,
        comment="what its contract call returned, a SEP-51 value; null: failed, or no such call",
    ),
    Column("source_muxed_id", Numeric(20, 0), comment="id of a muxed source, u64"),
    id_column("fee_account", "account that pays (G…); null: source_account"),
    Column("fee_account_muxed_id", Numeric(20, 0), comment="id of a muxed fee account, u64"),
    text_column("memo_type", "text, id, hash or return; null: none"),
    text_column("memo", "memo: text in SEP-51 escapes, id in decimal, hash in hex"),
    Column("min_time", Numeric(20, 0), comment="not before, Unix seconds"),
    Column("max_time", Numeric(20, 0), comment="not after, Unix seconds; 0: no bound"),
    Column("min_ledger", BigInteger, comment="not before this ledger"),
    Column("max_ledger", BigInteger, comment="before this ledger; 0: no bound"),
    Column("min_sequence", BigInteger, comment="lowest sequence of the source that is allowed"),
    Column("min_sequence_age", Numeric(20, 0), comment="seconds since the source's last use"),
    Column("min_sequence_ledger_gap", BigInteger, comment="ledgers since the source's last use"),
    Column("extra_signers", JSONB, comment="signer keys (SEP-23) that must sign too"),
    hash_column("inner_hash", "hash of the wrapped transaction"),
    Column("inner_fee_bid", BigInteger, comment="fee offered by the wrapped one, stroops"),
    text_column("inner_result_code", "result code of the wrapped one"),
    Column("inner_signatures", LargeBinary, comment="those of the wrapped one"),
    Column("soroban_resources", JSONB, comment="footprint and limits asked for, SEP-51"),
    Column(
        "soroban_archived_entries",
        JSONB,
        comment="0-based positions in the footprint's read_write of archived entries that it "
        "restores before it runs (CAP-66)",
    ),
    _hash_index("transactions", "hash"),
    Index(None, "source_account", "ledger"),
    comment="A transaction, successful or failed, classic or Soroban. "
    "Key: ledger, application_order.",
    **_BY_LEDGER,
)

operations = Table(
    "operations",
    metadata,
    closed_at_column(),
    _ledger_key(),
    _order_key(),
    number_key("op_index", "0-based order in the transaction"),
    required_column("type", SmallInteger, "number of its OperationType"),
    required_column("successful", Boolean, "whether its transaction was applied"),
    hash_column("tx_hash", "its transaction", nullable=False),
    id_column("source_account", "source (G…): its own or the transaction's", nullable=False),
    Column("source_muxed_id", Numeric(20, 0), comment="id of a muxed source, u64"),
    required_column("details", JSONB, "body of the operation, SEP-51; null: none"),
    text_column(
        "result_code",
        "its result; null: success in a successful transaction, else that was not applied",
    ),
    Column(
        "result",
        JSONB,
        comment="what the result holds beside its code, e.g. offers claimed, SEP-51; null: "
        "nothing. Of a failed transaction too, where nothing of it stands",
    ),
    _hash_index("operations"),
    comment="An operation of a transaction. Key: ledger, application_order, op_index.",
    **_BY_LEDGER,
)

trades = Table(
    "trades",
    metadata,
    closed_at_column(),
    Column("offer_id", BigInteger, comment="the offer; null for a pool"),
    required_column("sold_amount", BigInteger, "how much of sold_asset, in 1/10,000,000"),
    required_column("bought_amount", BigInteger, "how much of bought_asset, in 1/10,000,000"),
    _ledger_key(),
    _order_key(),
    number_key("op_index", "0-based operation that made it"),
    number_key("trade_index", "0-based order in the operation"),
    hash_column("tx_hash", "its transaction", nullable=False),
    id_column("seller", "owner of the offer (G…); null for a pool"),
    id_column("pool_id", "the liquidity pool (L…); null for an offer"),
    id_column("buyer", "source of the operation (G…)", nullable=False),
    id_column("sold_asset", "what seller or pool gave, CODE:ISSUER or native", nullable=False),
    id_column("bought_asset", "what seller or pool got, CODE:ISSUER or native", nullable=False),
    _hash_index("trades"),
    Index(None, "seller", "ledger"),
    Index(None, "buyer", "ledger"),
    Index(None, "sold_asset", "bought_asset", "ledger"),
    comment="A trade: an offer or a liquidity pool that an operation of a successful transaction "
    "took from (ClaimAtom). Key: ledger, application_order, op_index, trade_index.",
    **_BY_LEDGER,
)

token_operations = Table(
    "token_operations",
    metadata,
    closed_at_column(),
    _ledger_key(),
    *_event_key(),
    required_column(
        "type",
        SmallInteger,
        "0 transfer, 1 mint, 2 burn, 3 clawback, 4 approve, 5 set_authorized, 6 set_admin, 7 fee",
    ),
    required_column("successful", Boolean, "whether the transaction was applied"),
    hash_column("tx_hash", "its transaction", nullable=False),
    id_column("contract_id", "token contract (C…)", nullable=False),
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
    Index(None, "contract_id", "ledger"),
    Index(None, "from_address", "ledger"),
    Index(None, "to_address", "ledger"),
    comment="A token operation that an event states (SEP-41, CAP-67). "
    "Key: ledger, tx_index, op_index, event_index, as of its event.",
    **_BY_LEDGER,
)

contract_calls = Table(
    "contract_calls",
    metadata,
    closed_at_column(),
    _ledger_key(),
    _order_key(),
    number_key("call_index", "0-based order of the calls in the transaction"),
    required_column("depth", Integer, "0 of a call that no other one made"),
    Column("parent_index", Integer, comment="call_index of the call that made it, if any"),
    required_column("returned", Boolean, "whether its return was seen"),
    hash_column("tx_hash", "its transaction", nullable=False),
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
        comment="what it returned, a SEP-51 value; null: larger than 64 KiB. Where returned is "
        "false, the error that its contract reported, if any",
    ),
    Column("core_metrics", JSONB, comment="of call 0: figures of the transaction, by name"),
    _hash_index("contract_calls"),
    Index(None, "contract_id", "ledger"),
    comment="A call of a contract's function, as diagnostic events tell it; only if they are asked "
    "for, and the source has them. They are not on the chain: nothing proves them, and an audit "
    "does not compare them. Key: ledger, application_order, call_index.",
    **_BY_LEDGER,
)
