"""Fetch steps: the events of a ledger range, the transactions of a chunk.

A task takes an object that fetches and keeps what it has fetched, and gives
back nothing: on a retry it goes on where it stopped, and Prefect, which keeps
what tasks return until the flow ends, keeps no page of the chain.
"""

from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.fetch_plan import BatchFetch, TransactionChunk
from tasks.policy import step


@step("fetch-batch", "fetch-batch {fetch.label}")
def fetch_batch(fetch: BatchFetch, client: RpcClient) -> None:
    """Read a batch's events until the node's answers prove them read, then its first chunk.

    Args:
        fetch: The range and filter; keeps events and transactions.
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
