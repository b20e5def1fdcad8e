"""Register the block types, and make or update their documents from the environment.

    SOROBANFLOW_RPC_URL, SOROBANFLOW_RPC_HEADERS (a JSON object),
    SOROBANFLOW_DATABASE_URL, SOROBANFLOW_PROFILE (development, production or
    high-load), SOROBANFLOW_BLOCK (name of the documents; default: default)

Run as `python -m deployments.register_blocks` against the Prefect API in use.
Again, it changes only what the environment says; the rest of a saved document
stays.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, cast

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import SecretStr

from blocks import Database, StellarRpc
from blocks.documents import DEFAULT_NAME
from blocks.presets import PROFILES, ProfileName
from sorobanflow.errors import ConfigurationError


def register_blocks(environment: Mapping[str, str]) -> str:
    """Register both types and save both documents; gives the documents' name.

    Raises:
        ConfigurationError: a variable's value is not valid.
    """
    name = environment.get("SOROBANFLOW_BLOCK") or DEFAULT_NAME
    profile = _profile(environment)
    node = _saved(StellarRpc, name) | _rpc_fields(environment)
    database = _saved(Database, name) | _database_fields(environment)
    if profile:
        blocks = (
            StellarRpc.for_profile(profile, **node),
            Database.for_profile(profile, **database),
        )
    else:
        blocks = (StellarRpc(**node), Database(**database))
    for block in blocks:
        block.register_type_and_schema()
        block.save(name, overwrite=True)
    return name


def _rpc_fields(environment: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if url := environment.get("SOROBANFLOW_RPC_URL"):
        fields["url"] = SecretStr(url)
    if headers := environment.get("SOROBANFLOW_RPC_HEADERS"):
        fields["headers"] = _headers(headers)
    return fields


def _database_fields(environment: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if url := environment.get("SOROBANFLOW_DATABASE_URL"):
        fields |= {"url": SecretStr(url), "credentials": None}
    return fields


def _headers(text: str) -> SecretDict:
    try:
        return SecretDict({str(key): str(value) for key, value in json.loads(text).items()})
    except (ValueError, AttributeError):
        # The text is a secret: the message does not repeat it.
        raise ConfigurationError(
            "SOROBANFLOW_RPC_HEADERS is not a JSON object of header names and values"
        ) from None


def _profile(environment: Mapping[str, str]) -> ProfileName | None:
    wanted = environment.get("SOROBANFLOW_PROFILE")
    if not wanted:
        return None
    for name in PROFILES:
        if name == wanted:
            return name
    raise ConfigurationError(f"SOROBANFLOW_PROFILE is {wanted!r}; valid are {', '.join(PROFILES)}")


def _saved(kind: type[Block], name: str) -> dict[str, Any]:
    """Give the fields of the saved document; none if there is none, or an invalid one."""
    try:
        return dict(cast(Block, kind.load(name)))
    except (ValueError, RuntimeError):
        return {}


if __name__ == "__main__":
    print(
        f"saved the blocks stellar-rpc/{(saved := register_blocks(os.environ))} "
        f"and sorobanflow-database/{saved}"
    )
