"""The DataLake block: where whole ledgers are stored, and how hard to fetch them."""

from typing import Any, Literal, Self

from prefect.blocks.core import Block
from pydantic import Field, SecretStr, model_validator

from blocks.form import FORM
from blocks.profiles import PROFILES, ProfileName
from blocks.stellar_rpc import StellarRpc
from sorobanflow.pipeline.decoding import default_processes
from sorobanflow.pipeline.sizer import BatchBounds
from sorobanflow.records import Hook
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.lake.client import LakeClient
from sorobanflow.sources.lake.layout import Layout
from sorobanflow.sources.lake.manifest import MAX_BATCHES_PER_PARTITION, MAX_LEDGERS_PER_BATCH
from sorobanflow.sources.lake.opening import open_lake, open_store
from sorobanflow.sources.lake.source import LakeSource

_HTTP = HttpSettings()
#: The fields of credentials and addresses, by their names in obstore.
_OPTIONS = {
    "access_key_id": "access_key_id",
    "secret_access_key": "secret_access_key",
    "session_token": "session_token",
    "region": "region",
    "endpoint": "endpoint",
    "service_account_json": "service_account_key",
}


class DataLake(Block):
    """A data lake (SEP-54): whole ledgers in a folder, on a web server or in a bucket.

    A public lake needs only its URL.
    """

    _block_type_name = "Data Lake"
    _block_type_slug = "data-lake"
    model_config = FORM

    url: SecretStr = Field(title="URL")
    """Folder, or URL with https, s3, gs or file, of the lake: where its .config.json is.
    The https URL of a public bucket needs no credentials."""
    access_key_id: SecretStr | None = None
    """S3: id of the access key. Empty: AWS_ACCESS_KEY_ID, or the machine's role."""
    secret_access_key: SecretStr | None = None
    """S3: the access key."""
    session_token: SecretStr | None = None
    """S3: token of temporary credentials."""
    region: str | None = None
    """S3: region of the bucket. Empty: AWS_REGION, or us-east-1."""
    endpoint: str | None = None
    """S3: URL of another server than Amazon's, such as MinIO or R2."""
    service_account_json: SecretStr | None = Field(default=None, title="Service account JSON")
    """Google: the key of a service account, as JSON. Empty: the machine's role."""
    network_passphrase: str | None = None
    """Network that the manifest must state. A lake without a manifest holds this network."""
    ledgers_per_batch: int | None = Field(default=None, ge=1, le=MAX_LEDGERS_PER_BATCH)
    """Ledgers per object of a lake without a manifest. Empty: the usual ones are tried."""
    batches_per_partition: int | None = Field(default=None, ge=1, le=MAX_BATCHES_PER_PARTITION)
    """Objects per partition of a lake without a manifest; 1: it has no partitions."""
    suffix: Literal[".xdr.zst", ".xdr.zstd"] | None = None
    """Ending of the objects. Empty: `.xdr.zst`; of a lake without a manifest both are tried."""
    max_workers: int = Field(default=PROFILES["production"].max_workers, ge=1, le=100)
    """Maximum number of objects that are fetched concurrently."""
    batch_size: int = Field(default=PROFILES["production"].batch_size, ge=1, le=100_000)
    """Events and transactions per database transaction to start with. The size then follows
    the time that writing takes; ledgers are never split."""
    decode_processes: int | None = Field(default=None, ge=0, le=64)
    """Additional processes that decode while there is much to index; 0: none. Empty: one for
    each core, at most 4."""
    timeout_s: float = Field(default=_HTTP.timeout_s, gt=0, le=600)
    """Seconds that fetching one object may take."""

    @model_validator(mode="after")
    def _whole_layout(self) -> Self:
        if (self.ledgers_per_batch is None) != (self.batches_per_partition is None):
            raise ValueError("set both ledgers_per_batch and batches_per_partition, or neither")
        return self

    @classmethod
    def for_profile(cls, profile: ProfileName, **fields: Any) -> Self:  # noqa: ANN401 - any field
        """Make a block of these fields, with a profile's workers and batch size."""
        preset = PROFILES[profile]
        fields |= {"max_workers": preset.max_workers, "batch_size": preset.batch_size}
        return cls(**fields)

    def batch_bounds(self) -> BatchBounds:
        """What a batch may hold."""
        return StellarRpc(batch_size=self.batch_size).batch_bounds()

    def processes(self) -> int:
        """Additional processes that decode."""
        if self.decode_processes is not None:
            return self.decode_processes
        return default_processes(whole_ledgers=True)

    def client(self, hook: Hook | None = None, max_workers: int | None = None) -> LakeClient:
        """Build the client; close it when done.

        Raises:
            ConfigurationError: the address or a credential cannot be used.
        """
        workers = max_workers or self.max_workers
        http = HttpSettings(timeout_s=self.timeout_s, max_connections=workers)
        store = open_store(self.url.get_secret_value(), self.options(), http)
        return LakeClient(store, workers, hook=hook)

    def source(self, client: LakeClient, event_filter: EventFilter | None = None) -> LakeSource:
        """Open the lake with a client of this block; for the errors see `open_lake`."""
        return open_lake(
            client,
            network=self.network_passphrase,
            layout=self._layout(),
            suffix=self.suffix,
            event_filter=event_filter,
        )

    def _layout(self) -> Layout | None:
        if self.ledgers_per_batch is None or self.batches_per_partition is None:
            return None
        return Layout(self.ledgers_per_batch, self.batches_per_partition)

    def options(self) -> dict[str, str]:
        """Give what obstore needs to open the bucket: credentials and addresses that are set."""
        values = {option: getattr(self, field) for field, option in _OPTIONS.items()}
        return {
            option: value.get_secret_value() if isinstance(value, SecretStr) else value
            for option, value in values.items()
            if value is not None
        }
