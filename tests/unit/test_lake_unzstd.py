"""Zstd of anybody's is decompressed within bounds, or refused."""

import tracemalloc

import pytest
from zstandard import ZstdCompressionParameters, ZstdCompressor

from sorobanflow.sources.lake.unzstd import unzstd

DATA = bytes(range(256)) * 64
MIB = 1024 * 1024


def unzipped(data: bytes, *limit: int) -> bytes:
    return b"".join(unzstd(data, *limit))


def compressed(data: bytes, *, states_size: bool = True, window_log: int = 20) -> bytes:
    parameters = ZstdCompressionParameters.from_level(
        1, window_log=window_log, write_content_size=states_size, write_checksum=True
    )
    stream = ZstdCompressor(compression_params=parameters).compressobj(
        size=len(data) if states_size else -1
    )
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("states_size", [True, False])
@pytest.mark.parametrize("data", [b"", DATA], ids=["empty", "some"])
def test_unzstd_gives_what_was_compressed(data: bytes, states_size: bool) -> None:
    assert unzipped(compressed(data, states_size=states_size)) == data


@pytest.mark.parametrize("states_size", [True, False])
def test_unzstd_refuses_more_than_its_bound(states_size: bool) -> None:
    assert unzipped(compressed(DATA, states_size=states_size), len(DATA)) == DATA
    with pytest.raises(ValueError, match=f"larger than {len(DATA) - 1} bytes"):
        unzipped(compressed(DATA, states_size=states_size), len(DATA) - 1)


def test_a_bomb_costs_no_memory() -> None:
    bomb = compressed(bytes(128 * MIB), states_size=False)
    assert len(bomb) < 20_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="larger than 1048576 bytes"):
        unzipped(bomb, MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * MIB


def test_unzstd_refuses_a_large_window() -> None:
    assert unzipped(compressed(DATA, states_size=False, window_log=25)) == DATA
    with pytest.raises(ValueError, match="too much memory"):
        unzipped(compressed(DATA, states_size=False, window_log=26))
