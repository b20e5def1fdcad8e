"""Make the row of a token operation that an event states.

Follows `rows.events`. Invariant: a row names an asset only where the emitting
contract is that asset's own, which its id proves; any other contract may
imitate the event, and then has a row without an asset.
"""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from stellar_sdk import Asset

from sorobanflow.decode.events import DecodedEvent
from sorobanflow.errors import DecodeError
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.token_shapes import TokenOperation, read_token_operation
from sorobanflow.rows.values import reading
from sorobanflow.toid import MAX_OP, MAX_TX

_LONGEST_ASSET = 69  # CODE of 12, a colon, ISSUER of 56


class TokenOperationRow(NamedTuple):
    """A row of `token_operations`; the amount in the token's smallest unit."""

    event_id: str
    ledger: int
    closed_at: datetime
    tx_hash: str
    op_index: int | None
    contract_id: str
    type: str
    from_address: str | None
    to_address: str | None
    admin_address: str | None
    amount: int | None
    authorized: bool | None
    live_until_ledger: int | None
    to_muxed_id: str | None
    to_muxed_type: str | None
    asset: str | None
    successful: bool


def token_operation_row(
    event: EventRow, decoded: DecodedEvent, passphrase: str, successful: bool | None
) -> TokenOperationRow | None:
    """Make the row of the token operation that an event states, if it states one.

    Args:
        event: The event's row.
        decoded: Its topics and value.
        passphrase: Of the network; the ids of asset contracts depend on it.
        successful: Whether the transaction was applied; None where nobody says.

    Raises:
        DecodeError: it states one, and a value does not hold its type or
            whether it was applied is not known.
    """
    if event.type != "contract" or event.contract_id is None:
        return None
    with reading(f"token operation of event {event.id}"):
        operation = read_token_operation(decoded)
    if operation is None or (operation.type == "fee" and not _is_outside_operations(event)):
        return None
    if successful is None:
        raise DecodeError(f"neither transaction nor event says whether {event.id} was applied")
    return _row(event, event.contract_id, operation, passphrase, successful)


def _row(
    event: EventRow, contract_id: str, operation: TokenOperation, passphrase: str, successful: bool
) -> TokenOperationRow:
    # A fee names no asset: it is paid in the native one, which the contract must prove too.
    claimed = "native" if operation.type == "fee" else operation.asset
    is_proven = claimed is not None and asset_contract_id(claimed, passphrase) == contract_id
    return TokenOperationRow(
        event_id=event.id,
        ledger=event.ledger,
        closed_at=event.closed_at,
        tx_hash=event.tx_hash,
        op_index=None if _is_outside_operations(event) else event.op_index,
        contract_id=contract_id,
        **{**operation._asdict(), "asset": claimed if is_proven else None},
        successful=successful,
    )


def _is_outside_operations(event: EventRow) -> bool:
    """Tell the stages of the network's own events, where no contract can emit."""
    return event.tx_index in (0, MAX_TX) or event.op_index == MAX_OP


def asset_contract_id(asset: str, passphrase: str) -> str | None:
    """Give the contract id of an asset, "native" or "CODE:ISSUER"; None if it is no asset."""
    return _contract_id(asset, passphrase) if len(asset) <= _LONGEST_ASSET else None


@lru_cache(maxsize=16384)
def _contract_id(asset: str, passphrase: str) -> str | None:
    code, _, issuer = asset.partition(":")
    try:
        parsed = Asset.native() if asset == "native" else Asset(code, issuer)
    except ValueError:
        return None
    return parsed.contract_id(passphrase)
