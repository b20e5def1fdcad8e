"""The member `xdrFormat` of requests, and XDR in the form that it asks for.

The JSON form is SEP-51, by stellar-sdk, and slow: about 4 ms a transaction.
"""

from base64 import b64decode

from stellar_sdk import xdr

BASE64, JSON = "base64", "json"


def check_format(text: str) -> str | None:
    """Give the node's complaint about an xdrFormat, or None."""
    if text in ("", BASE64, JSON):
        return None
    return f"got '{text}': expected {BASE64}, {JSON} for optional 'xdrFormat'"


def xdr_json(type_name: str, text: str | bytes) -> object:
    """Give XDR, base64 or binary, of a named type as SEP-51 JSON."""
    data = b64decode(text) if isinstance(text, str) else text
    value: object = getattr(xdr, type_name).from_xdr_bytes(data).to_json_dict()
    return value
