"""The method getLedgerEntries; it knows the entries that the supply keeps by key.

Source: RPC getLedgerEntries.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any

from sorobanflow.devnet import xdr_walk as walk
from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.jsonrpc import INVALID_PARAMS, RpcError
from sorobanflow.devnet.params import Params, text
from sorobanflow.ledgers import LedgerRange

MAX_KEYS = 200


def get_ledger_entries(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getLedgerEntries.

    Raises:
        BadParams: the node could not decode the parameters.
        RpcError: the node would refuse them.
    """
    keys = [text(key) for key in Params(params).array("keys")]
    if len(keys) > MAX_KEYS:
        excess = f"key count ({len(keys)}) exceeds maximum supported ({MAX_KEYS})"
        raise RpcError(INVALID_PARAMS, excess)
    found = {
        key: chain.entry(_key_bytes(key, index), window.last) for index, key in enumerate(keys)
    }
    entries = [
        {"key": key, "xdr": b64encode(one.data).decode(), "lastModifiedLedgerSeq": one.ledger}
        for key, one in found.items()
        if one is not None
    ]
    return {"entries": entries, "latestLedger": window.last}


def _key_bytes(key: str, index: int) -> bytes:
    try:
        data = b64decode(key, validate=True)
        if walk.LEDGER_KEY(data, 0) != len(data):
            raise ValueError
    except (Base64Error, ValueError, walk.OutOfData):
        message = f"cannot unmarshal key value {key} at index {index}"
        raise RpcError(INVALID_PARAMS, message) from None
    return data
