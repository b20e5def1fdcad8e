"""Write an asset as the tables name it: "native", CODE:ISSUER, or the pool of its shares."""

from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.values import arm, content, text


def asset_text(value: Json) -> str:
    """Write an Asset in SEP-51 form; DecodeError if it is none."""
    kind, body = arm(value)
    if kind == "native":
        return kind
    if kind in ("credit_alphanum4", "credit_alphanum12"):
        return f"{text(body['asset_code'])}:{address(body['issuer'], 'G')}"
    raise DecodeError(f"unknown asset: {kind!r:.80}; expected native or a credit")


def line_text(value: Json) -> str:
    """Write a TrustLineAsset in SEP-51 form: an asset, or the pool (L…) of shares."""
    pool = content(value, "pool_share")
    return asset_text(value) if pool is None else address(pool, "L")
