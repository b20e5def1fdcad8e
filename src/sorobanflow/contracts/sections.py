"""Find the custom sections of a Wasm, from bytes that nobody vouches for, before `reading`.

Invariant: each step moves forward, so the work is bounded by the bytes. Sections of other kinds
are passed over unread. Source: WebAssembly core specification, binary format of modules.
"""

from collections.abc import Iterator

from sorobanflow.errors import DecodeError

_HEAD = b"\0asm\1\0\0\0"
_CUSTOM = 0
_NUMBER_BYTES = 5


def custom_sections(code: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give name and content of each custom section, in order; DecodeError where it is no Wasm."""
    if not code.startswith(_HEAD):
        raise DecodeError("it is no Wasm module of version 1")
    at = len(_HEAD)
    while at < len(code):
        kind = code[at]
        size, at = _number(code, at + 1)
        end = at + size
        if end > len(code):
            raise DecodeError(f"a section ends at byte {end} of {len(code)}")
        if kind == _CUSTOM:
            name_size, name_at = _number(code, at)
            content_at = name_at + name_size
            if content_at > end:
                raise DecodeError(f"the name of a section ends at byte {content_at}, after it")
            yield code[name_at:content_at], code[content_at:end]
        at = end


def _number(code: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned 32-bit number in LEB128."""
    number = 0
    for place, byte in enumerate(code[at : at + _NUMBER_BYTES]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80 and number < 2**32:
            return number, at + place + 1
    raise DecodeError(f"there is no number of 32 bits at byte {at}")
