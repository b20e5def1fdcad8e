"""The accounts, assets and contracts of the generated chain.

They are the same for every seed: two chains differ in their activity only. Keys
are SHA-256 hashes of names, so they are public and sign generated data only.
"""

from functools import cache
from hashlib import sha256

from stellar_sdk import Asset, Keypair, StrKey

PASSPHRASE = "Sorobanflow Devnet ; 2026"  # noqa: S105 - a network's public name
PROTOCOL = 27
ACCOUNTS = 24

NATIVE = Asset.native()


def digest(name: str) -> bytes:
    """Return 32 bytes derived from a name."""
    return sha256(f"sorobanflow devnet {name}".encode()).digest()


@cache
def account(number: int) -> Keypair:
    """Return one of the accounts, 0 to ACCOUNTS - 1."""
    return Keypair.from_raw_ed25519_seed(digest(f"account {number}"))


@cache
def issuer() -> Keypair:
    """Return the account that issues the assets."""
    return Keypair.from_raw_ed25519_seed(digest("issuer"))


@cache
def assets() -> tuple[Asset, Asset]:
    """Return the issued assets: a short and a long code."""
    return Asset("USDD", issuer().public_key), Asset("DEVNETGOLD", issuer().public_key)


def asset_name(asset: Asset) -> str:
    """Return the asset's name in events."""
    return "native" if asset.is_native() else f"{asset.code}:{asset.issuer}"


@cache
def asset_contract(name: str) -> str:
    """Return the id of an asset's contract, by the asset's name."""
    if name == "native":
        return NATIVE.contract_id(PASSPHRASE)
    code, issuer_id = name.split(":")
    return Asset(code, issuer_id).contract_id(PASSPHRASE)


@cache
def contract(name: str) -> str:
    """Return the id of a contract that is not an asset's."""
    return StrKey.encode_contract(digest(f"contract {name}"))


TOKEN = contract("token")  # a custom SEP-41 token
EXCHANGE = contract("exchange")
REGISTRY = contract("registry")
