"""Decompress an object in small parts, so that a bomb is noticed before it takes memory.

Source: SEP-54, RFC 8878.
"""

from collections.abc import Iterator

from zstandard import ZstdDecompressor, ZstdError

#: 64 ledgers of 4 MiB. The public stores have one ledger of some 1.5 MB in each object.
MAX_BATCH_BYTES = 256 * 2**20
#: The largest window of the compressors that stores are written with; theirs is 8 MiB.
_MAX_WINDOW_BYTES = 32 * 2**20
#: Four bytes of input can make 128 KiB of output: these make 32 MiB at most.
#: With half of it, decompressing takes a tenth longer.
_STEP_BYTES = 1024


def unzstd(data: bytes, max_bytes: int = MAX_BATCH_BYTES) -> Iterator[bytes]:
    """Give what exactly one frame of zstd holds, part by part.

    Raises:
        ValueError: it is not one frame, or it holds more than `max_bytes`.
    """
    frame = ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
    size = end = 0
    while not frame.eof:
        if end >= len(data):
            raise ValueError(f"its {len(data)} bytes end too early")
        start, end = end, end + _STEP_BYTES
        try:
            part = frame.decompress(data[start:end])
        except ZstdError as error:
            raise ValueError(f"it is not zstd: {error}") from None
        size += len(part)
        if size > max_bytes:
            raise ValueError(f"it is larger than {max_bytes} bytes, decompressed")
        yield part
    if frame.unused_data or end < len(data):
        raise ValueError("bytes stand after its end")
