"""A data lake behind an http or https URL, public objects of S3 included: plain GETs.

Redirects are not followed: a lake that moved is named by its new URL. The URL's query, if
it has one, goes with every request.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx

from sorobanflow.errors import AnswerTooLargeError, LakeError, RpcProtocolError, RpcRequestError
from sorobanflow.sources.endpoint.address import checked_url
from sorobanflow.sources.endpoint.transport import BaseTransport, HttpSettings, Transport

T = TypeVar("T")

#: In the XML of S3 and its like. Nothing else of an answer is shown: it may repeat a signature.
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_BUCKET = "NoSuchBucket"


class HttpStore:
    """The objects below a URL; shared by threads."""

    can_list = False

    def __init__(
        self, url: str, http: HttpSettings, transport: BaseTransport | None = None
    ) -> None:
        self._base = checked_url(url)
        self._transport = Transport(url, settings=http, transport=transport)
        self.address = f"{self._transport.endpoint}{self._base.path.rstrip('/')}"

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """Get an object."""
        return self._unless_missing(
            key, lambda: self._transport.get(f"GET {key}", self._url_of(key), max_bytes)
        )

    def exists(self, key: str) -> bool:
        """Ask for the first byte of an object."""

        def ask() -> bool:
            self._transport.touch(f"GET {key}", self._url_of(key))
            return True

        return self._unless_missing(key, ask) is not None

    def keys_after(self, key: str) -> Iterator[str]:
        """Give none: web servers do not list."""
        return iter(())

    def stop(self) -> None:
        """Cut the calls under way."""
        self._transport.stop()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _url_of(self, key: str) -> httpx.URL:
        return self._base.copy_with(path=f"{self._base.path.rstrip('/')}/{key}")

    def _unless_missing(self, key: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except RpcRequestError as refusal:
            error = self._refusal(key, refusal)
        except AnswerTooLargeError as large:
            error = LakeError(f"{self.address}: {key} is larger than {large.limit_bytes} bytes")
        except RpcProtocolError as protocol:
            error = LakeError(f"{protocol}, or the region of the bucket")
        if error is None:
            return None
        raise error

    def _refusal(self, key: str, refusal: RpcRequestError) -> LakeError | None:
        """Make the error of a refusal; None if it says that there is no such object."""
        code = found[1] if (found := _CODE.search(refusal.message)) else ""
        if refusal.code == httpx.codes.NOT_FOUND and code != _NO_BUCKET:
            return None
        said = f"{self.address} refuses {key} (HTTP {refusal.code} {code}".rstrip() + ")"
        if refusal.code == httpx.codes.FORBIDDEN:
            return LakeError(
                f"{said}. Either the right to read is missing, or the object is: S3 answers so for "
                "a missing object if there is no right to list the bucket (s3:ListBucket). Check "
                "the credentials of the data-lake block and grant both rights"
            )
        return LakeError(f"{said}; check URL, region and credentials of the data-lake block")
