"""Table of live indexing by runs of a schedule: which of them indexes a stream, and its health."""

from sqlalchemy import Column, DateTime, Table

from sorobanflow.store.tables.columns import id_column, key_column, metadata, text_column

live_streams = Table(
    "live_streams",
    metadata,
    key_column("stream", "the stream of coverage"),
    id_column("run", "id of the Prefect flow run that indexes it; the ones before it end"),
    id_column("health", "healthy, incomplete (something is missing) or unhealthy; null: not known"),
    Column("since", DateTime(timezone=True), comment="when its health became that"),
    text_column("reason", "what is wrong, and what to do; null: nothing"),
    Column("told_at", DateTime(timezone=True), comment="when a message last said so"),
    comment="What the runs of a schedule of the flow index remember of a stream. Key: stream. "
    "Rows may be deleted: then it is as if no such run had been.",
    info={"volatile": True},
)
