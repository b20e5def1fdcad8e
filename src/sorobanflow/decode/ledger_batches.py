"""Decompress the objects of a data lake, which nobody vouches for, within bounds.

Invariant: no object costs more memory than MAX_BATCH_BYTES, whatever it says of itself.
Source: SEP-54, RFC 8878.
"""

from zstandard import ZstdDecompressor, ZstdError

from sorobanflow.errors import DecodeError

#: 64 ledgers of 4 MiB. The public stores have one ledger of some 1.5 MB in each object.
MAX_BATCH_BYTES = 256 * 1024 * 1024
#: The largest window of the compressors that stores are written with; theirs is 8 MiB.
_MAX_WINDOW_BYTES = 32 * 1024 * 1024
#: Four bytes of input can make 128 KiB of output: these make 16 MiB at most.
_STEP_BYTES = 512


def decompress(data: bytes, max_bytes: int = MAX_BATCH_BYTES) -> bytes:
    """Decompress exactly one frame of zstd; DecodeError if it is not one, or too large."""
    stream = ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
    parts: list[bytes] = []
    size = end = 0
    while not stream.eof:
        if end >= len(data):
            raise DecodeError(f"cannot decompress the object (its {len(data)} bytes end too early)")
        start, end = end, end + _STEP_BYTES
        try:
            part = stream.decompress(data[start:end])
        except ZstdError as error:
            raise DecodeError(f"cannot decompress the object ({error})") from error
        size += len(part)
        if size > max_bytes:
            raise DecodeError(f"the object is larger than {max_bytes} bytes, decompressed")
        parts.append(part)
    if stream.unused_data or end < len(data):
        raise DecodeError("cannot decompress the object (bytes stand after its end)")
    return b"".join(parts)
