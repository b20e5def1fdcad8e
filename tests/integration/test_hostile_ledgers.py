"""Whatever a source sends as a ledger is refused, or gives what hashes prove unchanged.

Refused means `DecodeError` or `LedgerProofError`; any other error fails the test.
"""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from stellar_sdk import xdr
from zstandard import ZstdCompressor, ZstdDecompressor

from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.close_meta_types import MAX_QUORUM_DEPTH
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.raw_ledgers import raw_ledger_reader
from sorobanflow.decode.transactions import network_id
from sorobanflow.errors import DecodeError, LedgerProofError
from sorobanflow.ledgers import LAST_LEDGER, LedgerRange
from sorobanflow.sources.items import Event, LedgerObject
from sorobanflow.toid import MAX_OP, MAX_TX, parse_event_id
from tests.integration.core_ledgers import CORE_NETWORK, CoreLedger, read_core
from tests.integration.ledger_draft import Draft, hash_of
from tests.whole_ledgers import batch_object, one_object

#: In the result of a transaction: a successful invoke_host_function.
ONE = (1).to_bytes(4, "big")
NODE = xdr.NodeID(xdr.PublicKey(xdr.PublicKeyType.PUBLIC_KEY_TYPE_ED25519, xdr.Uint256(bytes(32))))
CALLED = bytes([0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0])


quick = settings(max_examples=100, deadline=None)
damages = st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4)


def kind(core: CoreLedger) -> tuple[Any, ...]:
    """What a ledger holds; one of each kind is enough for damages of all sorts."""
    events = any(is_of_operation(event) for event in core.meta.events)
    version, bumps = core.ledger.xdr[3], any(one.fee_bump for one in core.meta.transactions)
    return version, events, bumps, bool(core.meta.upgrades), bool(core.meta.evicted)


def is_of_operation(event: Event) -> bool:
    _, tx, op, _ = parse_event_id(event.id)
    return 0 < tx < MAX_TX and op < MAX_OP


@pytest.fixture(scope="session")
def smallest(test_data: Path) -> list[CoreLedger]:
    """The smallest ledger of each kind, ascending."""
    ledgers = sorted(read_core(test_data), key=lambda core: len(core.ledger.xdr), reverse=True)
    return [*{kind(core): core for core in ledgers}.values()][::-1]


def read(data: bytes, core: CoreLedger) -> CloseMeta | None:
    """Read what became of a ledger; None if it is refused."""
    number = core.meta.header.sequence
    changed = LedgerObject("changed", LedgerRange(number, number), data, is_batch=False)
    try:
        [meta] = read_object(changed, CORE_NETWORK)
    except (DecodeError, LedgerProofError):
        return None
    return meta


def is_refused_or_proved(data: bytes, core: CoreLedger) -> bool:
    """Whether hashes did their work: what is given is what the ledger held before."""
    meta = read(data, core)
    return meta is None or proved(meta) == proved(core.meta)


def proved(meta: CloseMeta) -> Any:
    """The items of a ledger that hashes cover."""
    transactions = [replace(one, result_meta_xdr=b"") for one in meta.transactions]
    calls = {one.tx_hash for one in transactions if CALLED in one.result_xdr}
    events = [one for one in meta.events if one.tx_hash in calls and is_of_operation(one)]
    return meta.header, transactions, events


def test_any_number_may_be_huge(smallest: list[CoreLedger]) -> None:
    for core in smallest[:6]:
        data = core.ledger.xdr
        for at in range(0, len(data), 4):
            assert is_refused_or_proved(data[:at] + b"\xff" * 4 + data[at + 4 :], core), at


@quick
@given(st.integers(0), damages)
def test_changed_bytes_are_refused_or_outside_of_proofs(
    smallest: list[CoreLedger], which: int, damages: list[tuple[int, int]]
) -> None:
    core = smallest[which % len(smallest)]
    data = bytearray(core.ledger.xdr)
    for at, byte in damages:
        data[at % len(data)] = byte
    assert is_refused_or_proved(bytes(data), core)


@quick
@given(st.integers(0), st.integers(0), st.binary(max_size=40), st.integers(0, 40))
def test_bytes_in_the_place_of_others_are_refused_or_outside_of_proofs(
    smallest: list[CoreLedger], which: int, at: int, more: bytes, fewer: int
) -> None:
    core = smallest[which % len(smallest)]
    data = core.ledger.xdr
    at %= len(data) + 1
    assert is_refused_or_proved(data[:at] + more + data[at + fewer :], core)


def test_a_cut_ledger_is_refused(smallest: list[CoreLedger]) -> None:
    for core in smallest:
        data = core.ledger.xdr
        assert read(data, core) is not None
        assert all(read(data[:size], core) is None for size in range(0, len(data), 13))
        assert read(data[:-1], core) is None
        assert read(data + bytes(4), core) is None


def quorum_sets(depth: int) -> bytes:
    """An SCPHistoryEntry with quorum sets within quorum sets, and no messages."""
    nested = (bytes(8) + ONE) * depth + bytes(12)
    return ONE + bytes(4) + ONE + nested + bytes(8)


@pytest.mark.parametrize(
    ("depth", "is_read"),
    [(0, True), (MAX_QUORUM_DEPTH, True), (MAX_QUORUM_DEPTH + 1, False), (200_000, False)],
)
def test_quorum_sets_nest_within_a_bound(
    smallest: list[CoreLedger], depth: int, is_read: bool
) -> None:
    [core] = [core for core in smallest if core.ledger.xdr[3] == 0]
    assert core.ledger.xdr.endswith(bytes(4))  # a V0 ends with its SCP messages; here are none
    meta = read(core.ledger.xdr[:-4] + quorum_sets(depth), core)
    assert meta == (core.meta if is_read else None)


@pytest.mark.parametrize(
    ("sequence", "closed_at"), [(0, 0), (LAST_LEDGER + 1, 0), (1, 253_402_300_800), (1, 2**64 - 1)]
)
def test_no_ledger_has_such_a_number_or_time(
    smallest: list[CoreLedger], sequence: int, closed_at: int
) -> None:
    draft = Draft(smallest[0], Random(1))
    header = draft.body.ledger_header.header
    header.ledger_seq = xdr.Uint32(sequence)
    header.scp_value.close_time = xdr.TimePoint(xdr.Uint64(closed_at))
    draft.seal()
    with pytest.raises(DecodeError, match=f"no ledger {sequence} can close at {closed_at}"):
        raw_ledger_reader(CORE_NETWORK)(draft.meta.to_xdr_bytes(), 0)


def test_a_ledger_without_a_set_states_the_hash_of_none(smallest: list[CoreLedger]) -> None:
    """The network may agree to apply no set; then the header states the hash of another one."""
    core = smallest[0]
    draft = Draft(core, Random(1))
    value = draft.body.ledger_header.header.scp_value
    signature = xdr.LedgerCloseValueSignature(NODE, xdr.Signature(bytes(64)))
    proposed = xdr.StellarValueProposedValue(
        xdr.Hash(bytes(32)), xdr.Hash(bytes(32)), xdr.Uint32(28), signature
    )
    value.ext = xdr.StellarValueExt(
        xdr.StellarValueType.STELLAR_VALUE_EMPTY_TX_SET, proposed_value=proposed
    )
    draft.seal()
    value.tx_set_hash = xdr.Hash(b"?" * 32)
    draft.body.ledger_header.hash = hash_of(draft.body.ledger_header.header)
    meta = read(draft.meta.to_xdr_bytes(), core)
    assert meta is not None
    assert meta._replace(header=core.meta.header) == core.meta


@pytest.mark.parametrize("size", [0, 11, -4, None])
def test_a_batch_is_exactly_its_ledgers(smallest: list[CoreLedger], size: int | None) -> None:
    right = batch_object([smallest[0].ledger])
    batch = ZstdDecompressor().decompress(right.data)
    changed = batch + bytes(4) if size is None else batch[:size]
    with pytest.raises(DecodeError, match=f"{right.name}: "):
        [*read_object(replace(right, data=ZstdCompressor().compress(changed)), CORE_NETWORK)]


def test_one_ledger_is_not_the_object_of_two(smallest: list[CoreLedger]) -> None:
    one = one_object(smallest[0].ledger)
    number = one.ledgers.first
    for promised in (LedgerRange(number, number + 1), LedgerRange(number + 1, number + 1)):
        with pytest.raises(LedgerProofError, match="fails the check of its sequence"):
            [*read_object(replace(one, ledgers=promised), CORE_NETWORK)]


def test_a_ledger_of_another_network_is_refused(smallest: list[CoreLedger]) -> None:
    core = next(core for core in smallest if core.meta.transactions)
    with pytest.raises(LedgerProofError, match="another network") as error:
        [*read_object(one_object(core.ledger), network_id("another"))]
    assert error.value.check == "transaction set"
