"""An HTTP reply as plain data, so that faults can change it before it is sent."""

from typing import NamedTuple


class Reply(NamedTuple):
    """What the server sends, and how it misbehaves while sending.

    `send_bytes` cuts the body at this size and closes the connection; `dropped`
    closes it without sending a byte; `delay_s` waits first.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    send_bytes: int | None = None
    dropped: bool = False
    delay_s: float = 0.0
