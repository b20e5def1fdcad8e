"""The checks that getTransactions and getLedgers make of a page's request."""

from sorobanflow.devnet.jsonrpc import INVALID_REQUEST, RpcError
from sorobanflow.ledgers import LedgerRange


def check_page(
    start_ledger: int, cursor: str, limit: int, max_limit: int, ledgers: LedgerRange
) -> None:
    """Check a request for a page, with the node's messages.

    Args:
        start_ledger: 0 if absent.
        cursor: Empty if absent.
        limit: Requested number of items; 0 if absent.
        max_limit: The node's limit.
        ledgers: Those that the method answers.

    Raises:
        RpcError: the node would refuse it; all complaints are named.
    """
    complaints = [
        _check_start(start_ledger, cursor, ledgers),
        None if limit <= max_limit else f"limit must not exceed {max_limit}",
    ]
    if any(complaints):
        raise RpcError(INVALID_REQUEST, "\n".join(each for each in complaints if each))


def _check_start(start_ledger: int, cursor: str, ledgers: LedgerRange) -> str | None:
    if cursor:
        both = f"startLedger ({start_ledger}) and cursor ({cursor}) cannot both be set"
        return both if start_ledger else None
    if ledgers.holds(start_ledger):
        return None
    return (
        f"start ledger ({start_ledger}) must be between the oldest ledger: {ledgers.first} "
        f"and the latest ledger: {ledgers.last} for this rpc instance"
    )
