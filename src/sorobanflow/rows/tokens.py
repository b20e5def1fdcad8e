"""Make the row of a token operation that an event states, after `rows.events`.

Invariant: a row names an asset only if the contract's id proves that it is the asset's own.
"""

import re
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from sorobanflow.decode.strkeys import decode_hash, encode_contract
from sorobanflow.decode.transactions import network_id
from sorobanflow.errors import DecodeError
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.state_rows import TokenRow
from sorobanflow.rows.token_shapes import FEE, read_token_operation
from sorobanflow.sources.items import Event
from sorobanflow.toid import MAX_OP, MAX_TX

_MAX_ASSET_LENGTH = 69  # CODE of 12, a colon, ISSUER of 56
_is_code = re.compile(r"[a-zA-Z0-9]{1,12}", re.ASCII).fullmatch
_NATIVE, _ALPHANUM4, _ALPHANUM12 = (arm.to_bytes(4, "big") for arm in range(3))
_CONTRACT_ID, _FROM_ASSET, _ED25519 = (arm.to_bytes(4, "big") for arm in (8, 1, 0))


class TokenOperationRow(NamedTuple):
    """A row of `token_operations`; `type` is a place in `TYPES`, the amount in smallest units."""

    closed_at: datetime
    ledger: int
    tx_index: int
    op_index: int
    event_index: int
    type: int
    successful: bool
    tx_hash: bytes
    contract_id: str
    from_address: str | None = None
    to_address: str | None = None
    admin_address: str | None = None
    amount: int | None = None
    authorized: bool | None = None
    live_until_ledger: int | None = None
    to_muxed_id: str | None = None
    to_muxed_type: str | None = None


def token_operation_row(
    event: EventRow, item: Event, passphrase: str, successful: bool | None
) -> tuple[TokenOperationRow, TokenRow] | None:
    """Make the rows of the token operation that an event states, if it states one, and its token.

    Raises DecodeError if it is not known whether the transaction was successful.
    """
    if event.is_system or event.contract_id is None or not item.topic:
        return None
    found = read_token_operation(item.topic, item.value)
    if found is None:
        return None
    # Only the network emits outside of operations, and only a fee event of the network is a fee.
    is_of_network = event.tx_index in (0, MAX_TX) or event.op_index == MAX_OP
    is_fee = found.type == FEE
    if is_fee and not is_of_network:
        return None
    if successful is None:
        raise DecodeError(f"neither transaction nor event states whether {event.id} was applied")
    contract, (sender, receiver, admin) = event.contract_id, found.addresses
    row = TokenOperationRow(
        event.closed_at,
        event.ledger,
        event.tx_index,
        event.op_index,
        event.event_index,
        found.type,
        successful,
        event.tx_hash,
        contract,
        sender,
        receiver,
        admin,
        *found.data,
    )
    # A fee names no asset: it is paid in the native one, which the contract must prove too.
    return row, _token(contract, "native" if is_fee else found.asset, passphrase)


def _token(contract_id: str, claimed: str | None, passphrase: str) -> TokenRow:
    if claimed is not None and len(claimed) > _MAX_ASSET_LENGTH:
        claimed = None  # no asset; texts of any length would fill the memory
    return _short_token(contract_id, claimed, passphrase)


@lru_cache(maxsize=4096)
def _short_token(contract_id: str, claimed: str | None, passphrase: str) -> TokenRow:
    is_proven = claimed is not None and asset_contract_id(claimed, passphrase) == contract_id
    return TokenRow(contract_id, claimed if is_proven else None)


def asset_contract_id(asset: str, passphrase: str) -> str | None:
    """Compute the contract id of an asset, "native" or "CODE:ISSUER"; None if it is no asset."""
    return _contract_id(asset, passphrase) if len(asset) <= _MAX_ASSET_LENGTH else None


@lru_cache(maxsize=16384)
def _contract_id(asset: str, passphrase: str) -> str | None:
    """Hash the HashIDPreimage of the asset's contract; stellar-sdk takes six times as long."""
    asset_xdr = _NATIVE if asset == "native" else _issued(*asset.partition(":")[::2])
    if asset_xdr is None:
        return None
    preimage = _CONTRACT_ID + network_id(passphrase) + _FROM_ASSET + asset_xdr
    return encode_contract(sha256(preimage).digest())


def _issued(code: str, issuer: str) -> bytes | None:
    """Encode the Asset of a code and its issuer; None if it is no asset."""
    key = decode_hash(issuer) if issuer.startswith("G") else None
    if key is None or not _is_code(code):
        return None
    arm, size = (_ALPHANUM4, 4) if len(code) <= 4 else (_ALPHANUM12, 12)
    return arm + code.encode().ljust(size, b"\0") + _ED25519 + key
