"""Write an asset as the tables name it: "native", CODE:ISSUER, or the pool of its shares."""

from sorobanflow.decode.straight import Parts


def asset_text(asset: Parts) -> str:
    """Write the parts of an Asset, or of a TrustLineAsset: the pool (L…) of shares."""
    kind, body = asset
    if kind == "native":
        return "native"
    return str(body) if kind == "pool_share" else f"{body[0]}:{body[1]}"
