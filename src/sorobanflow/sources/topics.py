"""Write segments of topic filters as nodes take them, from what people write.

A segment is "*", "**", the base64 XDR of an ScVal, an address or a symbol. Invariant: its form
alone tells which. An address is longer than any symbol. What may be base64 XDR is taken as that:
it starts with AAAA, and symbols do not. Source: SEP-23, Stellar-contract.x.
"""

import re
from base64 import b32decode, b32encode, b64encode
from binascii import crc_hqx
from collections.abc import Callable

from sorobanflow.errors import ConfigurationError

# The tag that an ScVal starts with is a small number in 32 bits: three zero bytes first.
SCVAL = re.compile(
    r"(?=AAAA.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII
)
_SYMBOL = re.compile(r"[A-Za-z0-9_]{1,32}", re.ASCII)
_ADDRESS = re.compile(r"[GCL][A-Z2-7]{55}|M[A-Z2-7]{68}|B[A-Z2-7]{57}", re.ASCII)

_SYMBOL_TAG, _ADDRESS_TAG = 15, 18
#: The version byte of an address, and the XDR of an ScAddress with this content.
_ADDRESSES: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "G": (6 << 3, lambda key: _uint32(0) + _uint32(0) + key),
    "C": (2 << 3, lambda content: _uint32(1) + content),
    "M": (12 << 3, lambda key_and_id: _uint32(2) + key_and_id[32:] + key_and_id[:32]),
    "B": (1 << 3, lambda kind_and_id: _uint32(3) + _uint32(kind_and_id[0]) + kind_and_id[1:]),
    "L": (11 << 3, lambda content: _uint32(4) + content),
}


def encode_segment(segment: str) -> str:
    """Write an address or a symbol as base64 XDR; what is a segment already stays as it is.

    Raises:
        ConfigurationError: it is none of them.
    """
    if segment in ("*", "**") or SCVAL.fullmatch(segment):
        return segment
    if _ADDRESS.fullmatch(segment):
        _, write = _ADDRESSES[segment[0]]
        return b64encode(_uint32(_ADDRESS_TAG) + write(decode_address(segment))).decode()
    if _SYMBOL.fullmatch(segment):
        text = segment.encode()
        padded = text + bytes(-len(text) % 4)
        return b64encode(_uint32(_SYMBOL_TAG) + _uint32(len(text)) + padded).decode()
    raise ConfigurationError(
        f"not a topic segment: {segment[:60]!r}; expected a symbol of up to 32 letters, digits "
        "and '_', an address, the base64 XDR of an ScVal, '*', or '**' at the end"
    )


def decode_address(address: str) -> bytes:
    """Read an address of a known form; ConfigurationError if its checksum is wrong.

    The checksum of SEP-23 is CRC16-XMODEM, its low byte first.
    """
    padded = address + "=" * (-len(address) % 8)
    data = b32decode(padded)
    version, _ = _ADDRESSES[address[0]]
    is_whole = crc_hqx(data[:-2], 0).to_bytes(2, "little") == data[-2:]
    if data[0] != version or not is_whole or b32encode(data).decode() != padded:
        raise ConfigurationError(
            f"not an address: {address!r}; its checksum is wrong, so a letter of it is"
        )
    return data[1:-2]


def _uint32(number: int) -> bytes:
    return number.to_bytes(4, "big")
