"""A damaged TransactionMeta is read or refused, and nothing else; so are its changes."""

import base64
from collections.abc import Callable
from struct import error as StructError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sorobanflow.decode.changes import Change
from sorobanflow.decode.entry_changes import read_changes
from sorobanflow.errors import DecodeError
from sorobanflow.rows.entry_rows import rows_of_changes
from sorobanflow.rows.state import State
from sorobanflow.rows.values import reading
from tests.unit.sep51 import read_meta
from tests.unit.state_items import PASSPHRASE

quick = settings(max_examples=200, deadline=None)
Damage = tuple[int, int]

damages = st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.fixture(scope="session")
def metas(corpus: Callable[[str], list[dict[str, Any]]]) -> list[bytes]:
    """Metas of stellar-core's own tests that hold all that a meta can."""
    return [base64.b64decode(row["result_meta_xdr"]) for row in corpus("core-tests")[1:]]


@pytest.fixture(scope="session")
def entries(metas: list[bytes]) -> list[Change]:
    """The changes of these metas that leave an entry, one of each form."""
    found = (one for raw in metas for one in read_meta(base64.b64encode(raw).decode()).changes)
    forms = {(one.type, len(one.entry_xdr)): one for one in found if one.entry_xdr is not None}
    return [*forms.values()]


@quick
@given(st.integers(0), damages)
def test_entry_that_is_walked_past_can_be_read(
    entries: list[Change], which: int, damages: list[Damage]
) -> None:
    one = entries[which % len(entries)]
    raw = bytearray(one.entry_xdr or b"")
    for at, byte in damages:
        raw[at % len(raw)] = byte
    changes = (1).to_bytes(4, "big") + bytes(4) + raw  # created
    found: list[Change] = []
    try:
        end = read_changes(changes, 0, 1, found)
    except (ValueError, StructError):
        return
    if end == len(changes) and is_kept(found):
        assert [change.read().type for change in found] == [change.type for change in found]


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
        meta = read_meta(text)
    except DecodeError:
        return False
    is_kept(meta.changes)
    return True


def is_kept(changes: list[Change]) -> bool:
    """Whether rows are made of changes; they are refused where they are taken, or never."""
    state = State(PASSPHRASE)
    try:
        with reading("a change"):
            state.add(rows_of_changes(changes, 1, 1, PASSPHRASE))
    except DecodeError:
        return False
    state.finish()
    return True
