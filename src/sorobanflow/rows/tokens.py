"""Make the row of a token operation that an event states, after `rows.events`.

Invariant: a row names an asset only if the contract's id proves that it is the asset's own.
"""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from stellar_sdk import Asset

from sorobanflow.decode.events import DecodedEvent
from sorobanflow.errors import DecodeError
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.token_shapes import read_token_operation
from sorobanflow.rows.values import reading
from sorobanflow.toid import MAX_OP, MAX_TX

_MAX_ASSET_LENGTH = 69  # CODE of 12, a colon, ISSUER of 56


class TokenOperationRow(NamedTuple):
    """A row of `token_operations`; the amount in the token's smallest unit."""

    event_id: str
    ledger: int
    closed_at: datetime
    tx_hash: str
    op_index: int | None
    contract_id: str
    type: str
    from_address: str | None = None
    to_address: str | None = None
    admin_address: str | None = None
    amount: int | None = None
    authorized: bool | None = None
    live_until_ledger: int | None = None
    to_muxed_id: str | None = None
    to_muxed_type: str | None = None
    asset: str | None = None
    successful: bool = False


def token_operation_row(
    event: EventRow, decoded: DecodedEvent, passphrase: str, successful: bool | None
) -> TokenOperationRow | None:
    """Make the row of the token operation that an event states, if it states one.

    Raises DecodeError if a value does not hold its type, or if it is not known whether the
    transaction was successful.
    """
    if event.type != "contract" or event.contract_id is None:
        return None
    with reading(f"token operation of event {event.id}"):
        columns = read_token_operation(decoded)
    if columns is None:
        return None
    # Only the network emits outside of operations, and only a fee event of the network is a fee.
    is_of_network = event.tx_index in (0, MAX_TX) or event.op_index == MAX_OP
    is_fee = columns["type"] == "fee"
    if is_fee and not is_of_network:
        return None
    if successful is None:
        raise DecodeError(f"neither transaction nor event states whether {event.id} was applied")
    # A fee names no asset: it is paid in the native one, which the contract must prove too.
    claimed = "native" if is_fee else columns["asset"]
    is_proven = claimed is not None and asset_contract_id(claimed, passphrase) == event.contract_id
    return TokenOperationRow(
        event_id=event.id,
        ledger=event.ledger,
        closed_at=event.closed_at,
        tx_hash=event.tx_hash,
        op_index=None if is_of_network else event.op_index,
        contract_id=event.contract_id,
        **{**columns, "asset": claimed if is_proven else None},
        successful=successful,
    )


def asset_contract_id(asset: str, passphrase: str) -> str | None:
    """Compute the contract id of an asset, "native" or "CODE:ISSUER"; None if it is no asset."""
    return _contract_id(asset, passphrase) if len(asset) <= _MAX_ASSET_LENGTH else None


@lru_cache(maxsize=16384)
def _contract_id(asset: str, passphrase: str) -> str | None:
    code, _, issuer = asset.partition(":")
    try:
        parsed = Asset.native() if asset == "native" else Asset(code, issuer)
    except ValueError:
        return None
    return parsed.contract_id(passphrase)
