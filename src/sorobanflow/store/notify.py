"""Tell whoever listens that a batch was committed: `LISTEN sorobanflow`.

The message is part of the batch's transaction, so it comes when the rows can be read, and
never if they are rolled back. It needs no privilege.
"""

from typing import Any

import msgspec
import psycopg

from sorobanflow.ledgers import LedgerRange

CHANNEL = "sorobanflow"


class Message(msgspec.Struct):
    """What a message says, as JSON: the ledgers that were stored in a stream, both included."""

    stream: str
    first_ledger: int
    last_ledger: int


def notify(connection: "psycopg.Connection[Any]", stream: str, ledgers: LedgerRange) -> None:
    """Send the message when the transaction is committed."""
    message = msgspec.json.encode(Message(stream, ledgers.first, ledgers.last)).decode()
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))
