"""The Database block: where the rows go, and how many connections carry them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from prefect.blocks.core import Block
from prefect_sqlalchemy import ConnectionComponents
from psycopg.conninfo import make_conninfo
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from sqlalchemy import Engine

from blocks.presets import POOLS, PROFILES, PoolPreset, ProfileName
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.pool import PoolSettings, open_engine

EMBEDDED_FOLDER = Path(".sorobanflow/postgres")


class ConnectionPool(BaseModel):
    """Limits of the connection pool. Default: the preset `medium`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    max_idle: int = Field(default=10, ge=0, description="Connections kept open at most while idle.")
    max_open: int = Field(
        default=100, ge=1, description="Connections at most; PostgreSQL's own default is 100."
    )
    max_lifetime_s: float = Field(
        default=3600, gt=0, description="Age in seconds at which a connection is replaced."
    )
    max_idle_s: float = Field(
        default=600, gt=0, description="Idle seconds after which a connection closes."
    )

    @classmethod
    def preset(cls, name: PoolPreset) -> Self:
        """Make a pool of a named size: low, medium or high."""
        return cls(**POOLS[name])

    def settings(self) -> PoolSettings:
        """The core's form of the same limits."""
        return PoolSettings(self.max_idle, self.max_open, self.max_lifetime_s, self.max_idle_s)


def _null_first(schema: dict[str, Any]) -> None:
    """Have the UI's form start with null, and not with parts that must be filled in."""
    schema["anyOf"].reverse()


class Database(Block):
    """A PostgreSQL database. With neither URL nor credentials: the embedded one.

    Give the address as a libpq URL (Unix sockets included), or as the
    connection components that prefect-sqlalchemy's blocks use.
    """

    _block_type_name = "Sorobanflow Database"
    _block_type_slug = "sorobanflow-database"
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = Field(
        default=None,
        title="URL",
        description="libpq URL, e.g. postgresql://user:password@host/database.",
    )
    credentials: ConnectionComponents | None = Field(
        default=None,
        description="The address in parts; null: it is the URL, or the embedded database.",
        json_schema_extra=_null_first,
    )
    pool: ConnectionPool = Field(
        default_factory=ConnectionPool, description="Limits of the connection pool."
    )

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url is not None and self.credentials is not None:
            raise ValueError("both url and credentials are given; give one of them")
        return self

    @classmethod
    def for_profile(cls, profile: ProfileName, **fields: Any) -> Self:  # noqa: ANN401 - any field
        """Make a block of these fields, with a profile's pool."""
        return cls(**fields | {"pool": ConnectionPool.preset(PROFILES[profile].pool)})

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Open the engine on its pool; starts the embedded server where that is meant.

        Raises:
            ConfigurationError: the address is wrong or nobody answers there.
        """
        with ExitStack() as stack:
            url = self._conninfo()
            if url is None:
                url = stack.enter_context(EmbeddedPostgres(EMBEDDED_FOLDER)).url
            yield stack.enter_context(open_engine(url, self.pool.settings()))

    def _conninfo(self) -> str | None:
        if self.url is not None:
            return self.url.get_secret_value()
        if self.credentials is None:
            return None
        parts = self.credentials
        return make_conninfo(
            host=parts.host,
            port=parts.port,
            dbname=parts.database,
            user=parts.username,
            password=parts.password.get_secret_value() if parts.password else None,
            **(parts.query or {}),
        )
