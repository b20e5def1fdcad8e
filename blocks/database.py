"""The Database block: where the rows go, and the pool of connections that takes them there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from prefect.blocks.core import Block
from prefect.context import FlowRunContext
from prefect_sqlalchemy import ConnectionComponents
from psycopg.conninfo import make_conninfo
from pydantic import BaseModel, Field, SecretStr, model_validator
from sqlalchemy import Engine

from blocks.form import FORM
from blocks.profiles import PROFILES, PoolPreset, ProfileName
from sorobanflow.store.engine import open_engine
from sorobanflow.store.partitions import PARTITION_LEDGERS
from sorobanflow.store.pool import CountingPool, PoolSettings

EMBEDDED_FOLDER = Path(".sorobanflow/postgres")

_POOL = PoolSettings()
POOLS: dict[PoolPreset, PoolSettings] = {
    "low": PoolSettings(max_idle=5, max_open=25, max_lifetime_s=1800, max_idle_s=300),
    "medium": _POOL,
    "high": PoolSettings(max_idle=50, max_open=200, max_lifetime_s=7200, max_idle_s=1800),
}


class ConnectionPool(BaseModel):
    """Limits of the connection pool. Default: the preset `medium`."""

    model_config = FORM

    max_idle: int = Field(default=_POOL.max_idle, ge=0)
    """Maximum number of connections kept open while idle."""
    max_open: int = Field(default=_POOL.max_open, ge=1)
    """Maximum number of connections; PostgreSQL's own default is 100."""
    max_lifetime_s: float = Field(default=_POOL.max_lifetime_s, gt=0)
    """Age in seconds at which a connection is replaced."""
    max_idle_s: float = Field(default=_POOL.max_idle_s, gt=0)
    """Idle seconds after which a connection closes."""

    @classmethod
    def preset(cls, name: PoolPreset) -> Self:
        """Make a pool of a named size: low, medium or high."""
        return cls(**{field: getattr(POOLS[name], field) for field in cls.model_fields})

    def settings(self) -> PoolSettings:
        """The core's form of the same limits."""
        return PoolSettings(**self.model_dump())


def _null_first(schema: dict[str, Any]) -> None:
    """Let the UI's form start empty, without parts that must be filled in."""
    schema["anyOf"].reverse()


class Database(Block):
    """A PostgreSQL database, by URL or in parts; without either, the embedded one."""

    _block_type_name = "Sorobanflow Database"
    _block_type_slug = "sorobanflow-database"
    model_config = FORM

    url: SecretStr | None = Field(default=None, title="URL")
    """libpq URL, e.g. postgresql://user:password@host/database; Unix sockets too."""
    credentials: ConnectionComponents | None = Field(default=None, json_schema_extra=_null_first)
    """The address in parts. Empty: the URL, or the embedded database."""
    pool: ConnectionPool = Field(default_factory=ConnectionPool)
    """Limits of the connection pool."""
    contract_calls: bool = False
    """Whether to store contract calls in the table contract_calls, where the ledgers' metas hold
    diagnostic events. They take more room than all else of a contract call, and nothing proves
    them."""

    partition_ledgers: int = Field(default=PARTITION_LEDGERS, ge=1000, le=10_000_000)
    """Ledgers per partition of the tables of what happened: the unit in which old ledgers are
    archived and dropped. Default: a week. Another size holds for partitions that are made from
    then on."""

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.url is not None and self.credentials is not None:
            raise ValueError("url and credentials are both set; give one of them")
        return self

    @classmethod
    def for_profile(cls, profile: ProfileName, **fields: Any) -> Self:  # noqa: ANN401 - any field
        """Make a block of these fields, with a profile's pool."""
        return cls(**fields | {"pool": ConnectionPool.preset(PROFILES[profile].pool)})

    @contextmanager
    def engine(
        self, on_pool: Callable[[CountingPool], object] = lambda pool: None
    ) -> Iterator[Engine]:
        """Open the engine on its pool; start the embedded server if there is no address.

        `on_pool`: see `open_engine`.

        Raises:
            ConfigurationError: the address is wrong, or the server there refuses the connection.
            DatabaseUnavailableError: no server answers there now.
        """
        with ExitStack() as stack:
            url = self._conninfo()
            if url is None:
                from sorobanflow.store.embedded import EmbeddedPostgres  # noqa: PLC0415 - an extra

                url = stack.enter_context(EmbeddedPostgres(EMBEDDED_FOLDER)).url
            opening = open_engine(url, self.pool.settings(), on_pool, application=_application())
            yield stack.enter_context(opening)

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


def _application() -> str:
    """Name the sessions after the flow, for whoever looks at the server's list of them."""
    context = FlowRunContext.get()
    return f"sorobanflow {context.flow.name}" if context and context.flow else "sorobanflow"
