import gzip
import random

import pytest

from sorobanflow.sources.endpoint.gunzip import PART_BYTES, gunzip

TEXT = random.Random(1).randbytes(1000) * 1000
BODY = gzip.compress(TEXT)


@pytest.mark.parametrize("size", [1, 7, 65536, len(BODY)])
def test_gunzip_gives_the_text_in_bounded_parts(size: int) -> None:
    parts = list(gunzip(BODY[at : at + size] for at in range(0, len(BODY), size)))
    assert b"".join(parts) == TEXT
    assert max(map(len, parts)) <= PART_BYTES


def test_gunzip_of_a_bomb_gives_no_part_above_the_bound() -> None:
    (first, *rest) = gunzip([gzip.compress(bytes(50 * 2**20))])
    assert len(first) == max(map(len, rest)) == PART_BYTES


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([b"no gzip"], "incorrect header"),
        ([BODY[:-1]], "is cut"),
        ([BODY[:40]], "is cut"),
        ([], "is cut"),
        ([BODY, b"more"], "after its end"),
        ([BODY[:40] + b"\xff" * 40, BODY[80:]], "invalid"),
    ],
)
def test_gunzip_refuses_what_is_not_whole(parts: list[bytes], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        list(gunzip(parts))
