"""Who acts on the generated chain: accounts with keys, assets and contracts.

The cast is the same for every seed, so that two chains differ in what happens
and not in to whom. Keys come from names by SHA-256: they are public, and good
for nothing but signing what is generated.
"""

from functools import cache
from hashlib import sha256

from stellar_sdk import Asset, Keypair, StrKey

PASSPHRASE = "Sorobanflow Devnet ; 2026"  # noqa: S105 - a network's public name
PROTOCOL = 27
ACCOUNTS = 24

NATIVE = Asset.native()


def digest(name: str) -> bytes:
    """Give 32 bytes that stand for a name."""
    return sha256(f"sorobanflow devnet {name}".encode()).digest()


@cache
def account(number: int) -> Keypair:
    """Give one of the accounts, 0 to ACCOUNTS - 1."""
    return Keypair.from_raw_ed25519_seed(digest(f"account {number}"))


@cache
def issuer() -> Keypair:
    """Give the account that issues the assets."""
    return Keypair.from_raw_ed25519_seed(digest("issuer"))


@cache
def assets() -> tuple[Asset, Asset]:
    """Give the issued assets: a short and a long code."""
    return Asset("USDD", issuer().public_key), Asset("DEVNETGOLD", issuer().public_key)


def asset_name(asset: Asset) -> str:
    """Give the asset as events name it."""
    return "native" if asset.is_native() else f"{asset.code}:{asset.issuer}"


@cache
def asset_contract(name: str) -> str:
    """Give the id of an asset's contract, by the asset's name."""
    if name == "native":
        return NATIVE.contract_id(PASSPHRASE)
    code, issuer_id = name.split(":")
    return Asset(code, issuer_id).contract_id(PASSPHRASE)


@cache
def contract(name: str) -> str:
    """Give the id of a contract that is not an asset's."""
    return StrKey.encode_contract(digest(f"contract {name}"))


TOKEN = contract("token")  # a custom SEP-41 token
EXCHANGE = contract("exchange")
REGISTRY = contract("registry")
