"""Blocks in tests: a fixture that makes them cheap to save, for those who use a Prefect server."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_API_URL


@pytest.fixture(scope="session", autouse=True)
def quick_schemas() -> Iterator[None]:
    """Have Prefect make and register a block's schema once, not for each saved block."""
    register = Block.register_type_and_schema.__func__  # type: ignore[attr-defined]
    registered_at: dict[type[Block], str | None] = {}  # its ids are those of the last server
    make = Block.model_json_schema.__func__  # type: ignore[attr-defined]
    has_secrets = Block._field_has_secrets

    @cache
    def made(kind: type[Block], *args: Any, **options: Any) -> dict[str, Any]:
        schema: dict[str, Any] = make(kind, *args, **options)
        return schema

    def copied(kind: type[Block], *args: Any, **options: Any) -> dict[str, Any]:
        return deepcopy(made(kind, *args, **options))

    secrets: dict[tuple[type[Block], str], bool] = {}

    def has_secrets_once(block: Block, field: str) -> bool:
        key = (type(block), field)
        if key not in secrets:
            secrets[key] = has_secrets(block, field)
        return secrets[key]

    def register_once(kind: type[Block], **options: Any) -> None:
        if registered_at.get(kind) != PREFECT_API_URL.value():
            try:
                register(kind, **options)
            except ObjectAlreadyExists:  # another test process did so at the same time
                register(kind, **options)
            registered_at[kind] = PREFECT_API_URL.value()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Block, "model_json_schema", classmethod(copied))
        patch.setattr(Block, "_field_has_secrets", has_secrets_once)
        patch.setattr(Block, "register_type_and_schema", classmethod(register_once))
        yield
