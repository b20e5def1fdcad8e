"""Fetch steps: the events of a ledger range, the transactions of a chunk.

A task takes an object that fetches and keeps what it has fetched, and gives
back nothing: on a retry it goes on where it stopped, and Prefect, which keeps
what tasks return until the flow ends, keeps no page of the chain.
"""

from sorobanflow.rpc.client import RpcClient
from sorobanflow.rpc.fetch_plan import EventsFetch, TransactionChunk
from tasks.policy import step


@step("fetch-events", "fetch-events {fetch.label}")
def fetch_events(fetch: EventsFetch, client: RpcClient) -> None:
    """Read a ledger range's events until the node's answers prove it read.

    Args:
        fetch: The range and filter; keeps the events.
        client: The shared client.
    """
    fetch.fetch(client)


@step("fetch-transactions", "fetch-transactions {chunk.label}")
def fetch_transactions(chunk: TransactionChunk, client: RpcClient) -> None:
    """Fetch one chunk of a batch's transactions.

    Args:
        chunk: What to fetch; keeps the transactions.
        client: The shared client.
    """
    chunk.fetch(client)
