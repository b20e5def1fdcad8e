"""Encode the ledger keys of contracts' instances and of Wasms, to ask a node for them."""

from base64 import b64encode

from sorobanflow.decode.entries import CODE_TYPE, DATA_TYPE, INSTANCE_KEY
from sorobanflow.decode.strkeys import decode_hash

_PERSISTENT = (1).to_bytes(4, "big")


def instance_key(contract_id: str) -> str:
    """Write the LedgerKey of a contract's instance, base64."""
    contract = decode_hash(contract_id)
    assert contract is not None, contract_id
    address = (1).to_bytes(4, "big") + contract
    return b64encode(DATA_TYPE + address + INSTANCE_KEY + _PERSISTENT).decode()


def code_key(wasm_hash: str) -> str:
    """Write the LedgerKey of a Wasm, base64."""
    return b64encode(CODE_TYPE + bytes.fromhex(wasm_hash)).decode()
