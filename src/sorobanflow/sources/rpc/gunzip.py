"""Decompress an answer in small parts, so that a bomb never takes more than its bound.

Beneath the transport. HTTP libraries decompress all that they have received at
once: 64 KiB become 64 MiB, before anybody has counted. Source: RFC 1952.
"""

import zlib
from collections.abc import Iterable, Iterator

PART_BYTES = 2**18
_GZIP = 16 + zlib.MAX_WBITS


def gunzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Give a gzip body in parts of at most `PART_BYTES`.

    Raises:
        ValueError: it is no gzip, is cut, or goes on behind its end.
    """
    gzip = zlib.decompressobj(_GZIP)
    try:
        for part in parts:
            if part and gzip.eof:
                raise ValueError("the compressed answer goes on behind its end")
            while part:
                yield gzip.decompress(part, PART_BYTES)
                part = gzip.unconsumed_tail
        yield gzip.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not gzip.eof:
        raise ValueError("the compressed answer is cut")
