"""Encode the ledger keys of contracts' instances and of Wasms, to ask a node for them."""

from base64 import b64encode

from stellar_sdk import xdr as sdk

from sorobanflow.decode.entries import CODE_TYPE, DATA_TYPE, INSTANCE_KEY

_PERSISTENT = (1).to_bytes(4, "big")


def instance_key(contract_id: str) -> str:
    """Write the LedgerKey of a contract's instance, base64."""
    address = sdk.SCAddress.from_json_dict(contract_id).to_xdr_bytes()
    return b64encode(DATA_TYPE + address + INSTANCE_KEY + _PERSISTENT).decode()


def code_key(wasm_hash: str) -> str:
    """Write the LedgerKey of a Wasm, base64."""
    return b64encode(CODE_TYPE + bytes.fromhex(wasm_hash)).decode()
