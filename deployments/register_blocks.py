"""Register the block types, and create or update their documents from the environment.

    SOROBANFLOW_RPC_URL, SOROBANFLOW_RPC_HEADERS (a JSON object),
    SOROBANFLOW_DATABASE_URL, SOROBANFLOW_LAKE_URL (empty: no data-lake block),
    SOROBANFLOW_PROFILE (development, production or high-load),
    SOROBANFLOW_BLOCK (name of the documents; default: default)

Run as `sorobanflow blocks`. Run again, it changes only what the environment names, and
keeps the other fields.
"""

import os
from collections.abc import Mapping
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import SecretStr

from blocks import Database, DataLake, StellarRpc
from blocks.documents import DEFAULT_NAME, mend
from blocks.prefect_api import named_api_failures, require_api
from blocks.profiles import PROFILES
from deployments.addresses import (
    DATABASE_URL,
    LAKE_URL,
    RPC_HEADERS,
    RPC_URL,
    check_addresses,
    rpc_headers,
)
from sorobanflow.errors import ConfigurationError


def register_blocks(environment: Mapping[str, str]) -> str:
    """Register the types and save the documents; gives the documents' name.

    Raises ConfigurationError if a variable's value is not valid; nothing is saved then.
    """
    check_addresses(environment)
    name = environment.get("SOROBANFLOW_BLOCK") or DEFAULT_NAME
    profile = environment.get("SOROBANFLOW_PROFILE")
    if profile and profile not in PROFILES:
        valid = ", ".join(PROFILES)
        raise ConfigurationError(f"SOROBANFLOW_PROFILE is {profile!r}; valid are {valid}")
    fields: dict[type[StellarRpc] | type[Database] | type[DataLake], dict[str, Any]] = {
        StellarRpc: _rpc_fields(environment),
        Database: _database_fields(environment),
    }
    if url := environment.get(LAKE_URL):
        fields[DataLake] = {"url": SecretStr(url)}
    else:
        DataLake.register_type_and_schema()  # so that the UI has its form
    for kind, given in fields.items():
        saved = _saved(kind, name)
        values = dict(saved or ()) | given
        block = kind.for_profile(profile, **values) if profile else kind(**values)
        _save(block, saved, name)
    return name


def _save(block: Block, saved: Block | None, name: str) -> None:
    """Save a document if it is not saved as it is, with the block's current schema."""
    if saved is not None and dict(saved) == dict(block):
        kind = type(block)
        kind.register_type_and_schema()
        if saved._block_schema_id == kind._block_schema_id:
            return
    block.save(name, overwrite=True)  # registers the type and its schema too


def _rpc_fields(environment: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if url := environment.get(RPC_URL):
        fields["url"] = SecretStr(url)
    if environment.get(RPC_HEADERS):
        fields["headers"] = SecretDict(rpc_headers(environment))
    return fields


def _database_fields(environment: Mapping[str, str]) -> dict[str, Any]:
    url = environment.get(DATABASE_URL)
    return {"url": SecretStr(url), "credentials": None} if url else {}


def _saved(kind: type[Block], name: str) -> Block | None:
    """Give the saved document; None if it is missing or not valid."""
    try:
        with named_api_failures():
            block = cast(Block, kind.load(name))
            mend(block)
            return block
    except (ValueError, RuntimeError):
        return None


def main() -> None:
    """Save the blocks that the environment names, and print which."""
    require_api()
    with named_api_failures():
        saved = register_blocks(os.environ)
    kinds = ["stellar-rpc", "sorobanflow-database"]
    kinds += ["data-lake"] if os.environ.get(LAKE_URL) else []
    print(f"saved the blocks {', '.join(f'{kind}/{saved}' for kind in kinds)}")


if __name__ == "__main__":  # as it was called before
    raise SystemExit("error: run `sorobanflow blocks`")
