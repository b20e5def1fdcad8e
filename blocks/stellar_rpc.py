"""The StellarRpc block: where the node is, and how hard to ask it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, PrivateAttr, SecretStr, model_validator

from blocks.form import FORM
from blocks.profiles import PROFILES, ProfileName
from sorobanflow.errors import ConfigurationError
from sorobanflow.pipeline.decoding import default_processes
from sorobanflow.pipeline.sizer import BatchBounds
from sorobanflow.records import Hook
from sorobanflow.sources.endpoint.address import checked_url, shown_address
from sorobanflow.sources.endpoint.breaker import BreakerSettings
from sorobanflow.sources.endpoint.retry import RetrySettings
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.rpc.client import RpcClient

DEVNET_URL = "http://127.0.0.1:8000"
MIB = 2**20

# The defaults of the fields are those of the core.
_PROFILE = PROFILES["production"]
_HTTP, _RETRY, _BREAKER = HttpSettings(), RetrySettings(), BreakerSettings()


class StellarRpc(Block):
    """A Stellar RPC endpoint, and how fetching from it behaves.

    The URL and the headers are secrets, because providers put keys in both.
    """

    _block_type_name = "Stellar RPC"
    _block_type_slug = "stellar-rpc"
    model_config = FORM

    url: SecretStr = Field(default=SecretStr(DEVNET_URL), title="URL")
    """URL of the RPC endpoint. Default: the local devnet."""
    address: str | None = None
    """Scheme, host and port of the URL, to see where the block points although the URL is a
    secret. Only shown: filled in when the block is saved by `sorobanflow blocks`, and by the next
    run after an edit of the URL in this form."""
    headers: SecretDict | None = None
    """HTTP headers sent with each call, such as an API key."""
    network_passphrase: str | None = Field(default=None, min_length=1, max_length=64)
    """Passphrase of the network, for providers of history that offer getLedgers only. Empty:
    the node is asked."""
    max_workers: int = Field(default=_PROFILE.max_workers, ge=1, le=100)
    """Maximum number of concurrent calls to the node."""
    max_requests_per_s: float | None = Field(default=None, gt=0, le=1000)
    """HTTP calls per second to the node, by all runs and workers together, which share a
    global concurrency limit of Prefect; costs about 10 ms a call. Empty: no limit."""
    batch_size: int = Field(default=_PROFILE.batch_size, ge=1, le=100_000)
    """Events and transactions per database transaction to start with. The size then follows
    the time that writing takes; ledgers are never split."""
    min_batch_size: int = Field(default=100, ge=1, le=100_000)
    """Smallest size that batches are reduced to."""
    max_batch_size: int = Field(default=10_000, ge=1, le=100_000)
    """Largest size that batches grow to."""
    max_batch_mib: int = Field(default=32, ge=1, le=1024)
    """Maximum amount of XDR in a batch, in MiB; takes about five times as much memory."""
    decode_processes: int | None = Field(default=None, ge=0, le=64)
    """Additional processes that decode while there is much to index; 0: none. Empty: one for
    each further core, for whole ledgers one for each core, at most 4."""
    batch_calls: int = Field(default=50, ge=1, le=200)
    """Maximum number of transactions in one JSON-RPC batch when fetching by hash; 1: single
    calls."""
    timeout_s: float = Field(default=_HTTP.timeout_s, gt=0, le=600)
    """Seconds that one call may take."""
    max_response_mib: int = Field(default=_HTTP.max_response_bytes // MIB, ge=1, le=1024)
    """Maximum size of an answer, in MiB."""
    retry_attempts: int = Field(default=_RETRY.attempts, ge=1, le=20)
    """Attempts per call, the first one included."""
    retry_base_s: float = Field(default=_RETRY.base_s, gt=0, le=60)
    """Longest random wait before the second attempt, in seconds; doubles with each attempt."""
    retry_cap_s: float = Field(default=_RETRY.cap_s, gt=0, le=600)
    """Limit of the longest random wait, in seconds."""
    breaker_failures: int = Field(default=_BREAKER.failure_threshold, ge=1, le=1000)
    """Failures in a row that open a method's circuit breaker."""
    breaker_open_s: float = Field(default=_BREAKER.open_s, gt=0, le=3600)
    """Seconds that an open breaker waits before it admits probes."""
    breaker_probes: int = Field(default=_BREAKER.half_open_max, ge=1, le=100)
    """Maximum number of concurrent probes of a half-open breaker."""
    breaker_wait_s: float = Field(default=_BREAKER.wait_s, ge=0, le=3600)
    """Seconds that a call waits for an open breaker before it fails."""
    _saved_address_is_old: bool = PrivateAttr(default=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_deleted_fields(cls, values: Any) -> Any:  # noqa: ANN401 - what is to be validated
        """Accept saved blocks of earlier versions; Prefect keeps the field however often saved."""
        if not isinstance(values, dict):  # a block, or its name where a parameter takes both
            return values
        return {name: value for name, value in values.items() if name != "xdr_format"}

    @model_validator(mode="after")
    def _fill_in_address(self) -> Self:
        given, self.address = self.address, None
        with suppress(ConfigurationError):  # whoever uses the block is told
            self.address = shown_address(checked_url(self.url.get_secret_value()))
        self._saved_address_is_old |= given != self.address  # Prefect validates a block twice
        return self

    @classmethod
    def for_profile(cls, profile: ProfileName, **fields: Any) -> Self:  # noqa: ANN401 - any field
        """Make a block of these fields, with a profile's workers and batch size."""
        preset = PROFILES[profile]
        fields |= {"max_workers": preset.max_workers, "batch_size": preset.batch_size}
        return cls(**fields)

    def saved_fields_to_mend(self) -> dict[str, Any]:
        """Give what a form saved that does not fit the rest of it."""
        return {"address": self.address} if self._saved_address_is_old else {}

    def batch_bounds(self) -> BatchBounds:
        """What a batch may hold; a first size outside the bounds moves a bound."""
        return BatchBounds(
            self.batch_size,
            min(self.min_batch_size, self.batch_size),
            max(self.max_batch_size, self.batch_size),
            self.max_batch_mib * MIB,
        )

    def processes(self, whole_ledgers: bool = False) -> int:
        """Additional processes that decode."""
        if self.decode_processes is not None:
            return self.decode_processes
        return default_processes(whole_ledgers)

    def client(
        self,
        hook: Hook | None = None,
        max_workers: int | None = None,
        before_call: Callable[[], object] | None = None,
    ) -> RpcClient:
        """Build the client; close it when done."""
        return RpcClient(
            self.url.get_secret_value(),
            headers=self.headers.get_secret_value() if self.headers else {},
            http=HttpSettings(
                timeout_s=self.timeout_s,
                max_response_bytes=self.max_response_mib * MIB,
                max_connections=max_workers or self.max_workers,
            ),
            retry=RetrySettings(self.retry_attempts, self.retry_base_s, self.retry_cap_s),
            breaker=BreakerSettings(
                failure_threshold=self.breaker_failures,
                open_s=self.breaker_open_s,
                half_open_max=self.breaker_probes,
                wait_s=self.breaker_wait_s,
            ),
            hook=hook,
            before_call=before_call,
        )
