"""Change one bit of a whole ledger, where hashes cover it."""

from sorobanflow.devnet.whole_ledger import proved_part


def tampered(close_meta: bytes, number: int) -> bytes:
    """Return a LedgerCloseMeta with another lowest bit in one byte of header or transaction set.

    Args:
        close_meta: XDR.
        number: The byte, counted from the header on, and from there again after the last.
    """
    part = proved_part(close_meta)
    at = part[number % len(part)]
    return close_meta[:at] + bytes([close_meta[at] ^ 1]) + close_meta[at + 1 :]
