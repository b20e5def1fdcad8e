"""Tables of the indexing itself: coverage, gaps, quarantine, the network."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE, JSONB, UUID

from sorobanflow.store.tables.columns import (
    id_column,
    key_column,
    ledger_column,
    ledgers_column,
    metadata,
    now_column,
    number_key,
    required_column,
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("kind", Text, primary_key=True, comment="event, transaction or token_operation"),
    key_column("key", "event id or transaction hash; SHA-256 of the payload where it has none"),
    ledger_column("ledger that it came with"),
    required_column("payload", Text, "the item as the node sent it, JSON"),
    required_column("error_class", Text, "class of the error"),
    required_column("error", Text, "its message"),
    Column(
        "attempts",
        Integer,
        nullable=False,
        server_default=text("1"),
        comment="times that it failed",
        info={"volatile": True},
    ),
    now_column("first_seen", "when it failed first"),
    id_column("stream", "stream of coverage that fetched it last; null: stored by revision 0001"),
    Index(None, "ledger"),
    comment="An item that could not be decoded, whole. Key: kind, key. "
    "It leaves when it is stored after all.",
)

network = Table(
    "network",
    metadata,
    Column(
        "one_row",
        Boolean,
        primary_key=True,
        server_default=text("true"),
        comment="always true: one row",
    ),
    required_column("passphrase", Text, "passphrase of the network"),
    Column(
        "database_id",
        UUID,
        nullable=False,
        server_default=text("gen_random_uuid()"),
        comment="names this database, and its copies, in the tags of Prefect's runs",
        info={"volatile": True},
    ),
    Column(
        "partition_ledgers",
        Integer,
        nullable=False,
        server_default=text("120960"),
        comment="ledgers of a partition that is made from now on",
    ),
    CheckConstraint("one_row", name="one_row"),
    comment="The network that this database holds, pinned by the first run. One row.",
)

coverage = Table(
    "coverage",
    metadata,
    key_column("stream", "what is indexed: all, or filter- and a digest"),
    Column("filter", JSONB, comment="the filter of getEvents; null: everything"),
    ledgers_column("ledgers stored whole"),
    Column(
        "indexed_from",
        Integer,
        comment="first ledger that live indexing promised; from here on holes are work",
    ),
    now_column("advanced_at", "when the newest of the ledgers was stored"),
    Column(
        "unknown_executables",
        INT4MULTIRANGE,
        nullable=False,
        server_default=text("'{}'"),
        comment="of the ledgers, those that revision 0017 or older stored, whose changes of "
        "executables are in no row of contract_executables until they are indexed again",
    ),
    comment="What is stored whole, per stream. Key: stream. The only memory of progress: "
    "it moves only in the transaction that stored the rows.",
)

gaps = Table(
    "gaps",
    metadata,
    key_column("stream", "the stream of coverage that lacks them"),
    number_key("first_ledger", "first missing ledger"),
    required_column("last_ledger", Integer, "last missing ledger, included"),
    required_column("reason", Text, "why they are missing"),
    now_column("first_seen", "when the gap was recorded"),
    comment="Ledgers that a stream lacks and the node no longer has. Key: stream, first_ledger. "
    "A gap leaves when its ledgers are stored after all.",
)
