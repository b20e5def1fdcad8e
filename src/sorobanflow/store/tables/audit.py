"""Tables of the audit: the shapes of events that are not decoded, and the audited ledgers."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table

from sorobanflow.store.tables.columns import key_column, ledgers_column, metadata, required_column

event_shapes = Table(
    "event_shapes",
    metadata,
    key_column("stream", "the stream of coverage that holds them"),
    key_column("contract_id", "emitting contract (C…)"),
    key_column("shape", "symbol of the first topic, types of the topics, type of the value"),
    required_column("events", BigInteger, "how many were counted"),
    required_column("first_ledger", Integer, "first ledger with one"),
    required_column("last_ledger", Integer, "last ledger with one"),
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
    key_column("stream", "the stream of coverage"),
    ledgers_column("ledgers whose event shapes are counted"),
    comment="Where audits have counted event shapes, per stream. Key: stream.",
)
