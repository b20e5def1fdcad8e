"""Tables of the audit: the shapes of events that are not decoded, and the audited ledgers."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, text
from sqlalchemy.dialects.postgresql import INT4MULTIRANGE

from sorobanflow.store.tables.columns import key_column, metadata

event_shapes = Table(
    "event_shapes",
    metadata,
    key_column("stream", "the stream of coverage that holds them", primary_key=True),
    key_column("contract_id", "emitting contract (C…)", primary_key=True),
    key_column(
        "shape",
        "symbol of the first topic, types of the topics, type of the value",
        primary_key=True,
    ),
    Column("events", BigInteger, nullable=False, comment="how many were counted"),
    Column("first_ledger", Integer, nullable=False, comment="first ledger with one"),
    Column("last_ledger", Integer, nullable=False, comment="last ledger with one"),
    Column(
        "first_audit",
        DateTime(timezone=True),
        nullable=False,
        comment="start of the audit that saw it first",
        info={"volatile": True},
    ),
    comment="A shape of a contract's events that no token operation was read from. "
    "Key: stream, contract_id, shape. Counted by audits, over the ledgers in audited.",
)

audited = Table(
    "audited",
    metadata,
    key_column("stream", "the stream of coverage", primary_key=True),
    Column(
        "ledgers",
        INT4MULTIRANGE,
        nullable=False,
        server_default=text("'{}'"),
        comment="ledgers whose event shapes are counted",
    ),
    comment="Where audits have counted event shapes, per stream. Key: stream.",
)
