"""A data lake in a bucket of S3 or Google Cloud Storage that asks for credentials.

obstore finds the credentials, signs URLs and lists; objects are fetched with the signed URLs
as from any web server, so that bounds, time limits and `stop` hold here too. Invariant: no
message repeats what obstore says of credentials.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import GCSStore, S3Store, from_url

from sorobanflow.errors import ConfigurationError, LakeError, RpcUnavailableError
from sorobanflow.sources.endpoint.transport import HttpSettings
from sorobanflow.sources.lake.http import HttpStore
from sorobanflow.sources.lake.manifest import MANIFEST_KEY

SCHEMES = ("s3", "gs")
#: How long a signed URL holds: longer than a call waits for its turn.
_SIGNED_FOR = timedelta(minutes=15)
_REFUSED = (PermissionDeniedError, UnauthenticatedError, NotFoundError)


class BucketStore(HttpStore):
    """The objects below a URL such as `s3://bucket/path`.

    `options` are obstore's, such as `access_key_id`; what is missing is looked for where the
    cloud's own tools look: in their environment variables and in the machine's role.

    Raises:
        ConfigurationError: the options cannot be used, or there are no credentials.
    """

    can_list = True

    def __init__(self, url: str, options: Mapping[str, str], http: HttpSettings) -> None:
        shown = shown_url(url)
        self._bucket = open_bucket(url, shown, options, http)
        try:
            base = self._sign(MANIFEST_KEY).copy_with(path="/", query=None)
        except RpcUnavailableError:
            raise ConfigurationError(
                f"no request to {shown} can be signed; set the credentials in the data-lake block, "
                "or give this machine a role. A public lake needs none: use its https URL"
            ) from None
        super().__init__(str(base), http)
        self.address = shown

    def keys_after(self, key: str) -> Iterator[str]:
        """List the bucket; ends at its time limit, not on `stop`."""
        try:
            for page in obstore.list(self._bucket, offset=key or None):
                yield from (one["path"] for one in page)
        except _REFUSED as refusal:
            raise LakeError(
                f"{self.address} cannot be listed ({type(refusal).__name__}); check its name, "
                "and grant the right to list it (s3:ListBucket, storage.objects.list)"
            ) from None
        except BaseError as error:
            raise RpcUnavailableError(
                f"{self.address} could not be listed ({type(error).__name__})"
            ) from None

    def _url_of(self, key: str) -> httpx.URL:
        return self._sign(key)

    def _sign(self, key: str) -> httpx.URL:
        try:
            return httpx.URL(obstore.sign(self._bucket, "GET", key, _SIGNED_FOR))
        except BaseError as error:
            raise RpcUnavailableError(
                f"a request for {key} could not be signed ({type(error).__name__})"
            ) from None


def open_bucket(
    url: str, shown: str, options: Mapping[str, str], http: HttpSettings
) -> S3Store | GCSStore:
    """Open a bucket with obstore; `shown` is what messages may say of its URL.

    Raises:
        ConfigurationError: the URL or an option cannot be used.
    """
    settings: Any = {
        "config": dict(options),
        "client_options": {
            "timeout": timedelta(seconds=http.timeout_s),
            "connect_timeout": timedelta(seconds=http.connect_timeout_s),
            "allow_http": options.get("endpoint", "").startswith("http://"),
        },
        "retry_config": {"max_retries": 0},
    }
    try:
        store = from_url(url, **settings)
    except (BaseError, ValueError, TypeError) as error:
        # Not chained: the error may quote a credential.
        raise ConfigurationError(
            f"the bucket {shown} cannot be opened with the options of the data-lake block "
            f"({type(error).__name__}); check the URL, the credentials and the region"
        ) from None
    assert isinstance(store, (S3Store, GCSStore))
    return store


def shown_url(url: str) -> str:
    """Give what may be shown of a bucket's URL."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if not parsed.host:
        raise ConfigurationError("the URL names no bucket; set one like s3://bucket/path")
    return f"{parsed.scheme}://{parsed.host}{parsed.path.rstrip('/')}"
