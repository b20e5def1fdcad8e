"""The interface of a store of objects: a folder, a web server, a bucket.

Untrusted: sizes are bounded while an object streams; no message holds a credential.
"""

from collections.abc import Iterator
from typing import Protocol


class ObjectStore(Protocol):
    """Gives objects by their keys; shared by threads. Each method makes one attempt.

    All raise `EndpointError` if the store may answer later, and `LakeError` if it refuses
    or an object is larger than allowed.
    """

    @property
    def address(self) -> str:
        """Where it is, without secrets."""

    @property
    def can_list(self) -> bool:
        """Whether it can say which keys it has."""

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """Get an object; None if the store answers that there is none."""

    def exists(self, key: str) -> bool:
        """Ask whether there is an object, without reading it."""

    def keys_after(self, key: str) -> Iterator[str]:
        """Give the keys after one in the order of their bytes, if the store `can_list`."""

    def stop(self) -> None:
        """End calls in progress, from any thread."""

    def close(self) -> None:
        """Close the connections."""
