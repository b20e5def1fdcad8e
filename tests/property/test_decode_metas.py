"""A damaged TransactionMeta is read or refused, and nothing else."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sorobanflow.errors import DecodeError
from tests.unit.sep51 import read_meta

quick = settings(max_examples=200, deadline=None)
Damage = tuple[int, int]

damages = st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.fixture(scope="session")
def metas(corpus: Callable[[str], list[dict[str, Any]]]) -> list[bytes]:
    """Metas of stellar-core's own tests that hold all that a meta can."""
    return [base64.b64decode(row["result_meta_xdr"]) for row in corpus("core-tests")[1:]]


@quick
@given(st.integers(0), damages)
def test_changed_bytes_are_read_or_refused(
    metas: list[bytes], which: int, damages: list[Damage]
) -> None:
    raw = bytearray(metas[which % len(metas)])
    for at, byte in damages:
        raw[at % len(raw)] = byte
    is_read(bytes(raw))


@quick
@given(st.integers(0), st.integers(0))
def test_cut_bytes_are_refused(metas: list[bytes], which: int, size: int) -> None:
    raw = metas[which % len(metas)]
    assert is_read(raw)
    assert not is_read(raw[: size % len(raw)])


@quick
@given(st.integers(0), st.integers(0), st.binary(min_size=1, max_size=64))
def test_inserted_bytes_are_read_or_refused(
    metas: list[bytes], which: int, at: int, more: bytes
) -> None:
    raw = metas[which % len(metas)]
    at %= len(raw) + 1
    is_read(raw[:at] + more + raw[at:])


@quick
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    is_text_read(text)


def is_read(raw: bytes) -> bool:
    return is_text_read(base64.b64encode(raw).decode())


def is_text_read(text: str) -> bool:
    try:
        read_meta(text)
    except DecodeError:
        return False
    return True
