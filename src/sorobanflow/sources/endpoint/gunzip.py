"""Decompress an answer in small parts, so that a bomb is noticed before it takes memory.

HTTP libraries turn 64 KiB into 64 MiB in one step. Source: RFC 1952.
"""

import zlib
from collections.abc import Iterable, Iterator

PART_BYTES = 2**18
_GZIP = 16 + zlib.MAX_WBITS


def gunzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Give a gzip body in parts of at most `PART_BYTES`.

    Raises:
        ValueError: it is not gzip, is cut, or continues after its end.
    """
    gzip = zlib.decompressobj(_GZIP)
    try:
        for part in parts:
            if part and gzip.eof:
                raise ValueError("the compressed answer continues after its end")
            while part:
                yield gzip.decompress(part, PART_BYTES)
                part = gzip.unconsumed_tail
        yield gzip.flush()
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not gzip.eof:
        raise ValueError("the compressed answer is cut")
