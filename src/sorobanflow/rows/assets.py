"""Write an asset as the tables name it: "native" or CODE:ISSUER."""

from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import arm, text


def asset_text(value: Json) -> str:
    """Write an Asset in SEP-51 form; DecodeError if it is none."""
    kind, body = arm(value)
    if kind == "native":
        return kind
    if kind in ("credit_alphanum4", "credit_alphanum12"):
        return f"{text(body['asset_code'])}:{address(body['issuer'], 'G')}"
    raise DecodeError(f"unknown asset: {kind!r:.80}; expected native or a credit")
