"""Files of real whole ledgers: what is read of them, and the walkers that find it."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import xdr

from sorobanflow.devnet import LedgerFile, Recording
from sorobanflow.devnet.tampering import tampered
from sorobanflow.devnet.whole_ledger import (
    HEADER_ENTRY,
    proved_part,
    read_ledger,
    transaction_hash,
)
from sorobanflow.devnet.xdr_envelopes import ENVELOPE
from sorobanflow.devnet.xdr_results import RESULT
from sorobanflow.devnet.xdr_walk import Walker
from sorobanflow.errors import ConfigurationError, DecodeError
from tests.ledgers import generated
from tests.unit.random_xdr import draw
from tests.whole_ledgers import CORE_PASSPHRASE, PUBNET, core_chains


@pytest.mark.parametrize("name", ["pubnet-51000294", "pubnet-63092990"])
def test_ledger_file_has_the_transactions_of_its_recording(
    test_data: Path, recording_path: Callable[[str], Path], name: str
) -> None:
    sequence = int(name[-8:])
    file = LedgerFile(test_data / "ledgers" / f"{name}.xdr.zst", PUBNET)
    recording = Recording(recording_path(name))
    assert (file.first, file.last, file.network) == (sequence, sequence, recording.network)
    assert file.close_time(sequence) == recording.close_time(sequence)
    found, recorded = (
        [vars(each) for each in supply.ledger(sequence).transactions]
        for supply in (file, recording)
    )
    assert found == recorded


def test_ledger_file_of_another_network_is_told(test_data: Path) -> None:
    file = LedgerFile(test_data / "ledgers/pubnet-63092990.xdr.zst", "another network")
    with pytest.raises(DecodeError, match="passphrase"):
        file.ledger(63092990)


def test_ledger_file_with_a_gap_or_of_another_format_is_refused(
    test_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="84, 85, 88"):
        LedgerFile(test_data / "ledgers/loadtest-v23.xdr.zst", "x")
    (tmp_path / "text").write_text("no zstd")
    with pytest.raises(ConfigurationError, match="text"):
        LedgerFile(tmp_path / "text", "x")


def test_ledgers_of_cores_own_tests_are_read(test_data: Path) -> None:
    network_id = sha256(CORE_PASSPHRASE.encode()).digest()
    chains = [*core_chains(test_data)][::4]
    ledgers = [read_ledger(each.xdr, network_id) for chain in chains for each in chain]
    assert sum(len(ledger.transactions) for ledger in ledgers) > 500


@pytest.mark.parametrize(
    ("kind", "walker", "seeds"),
    [
        (xdr.TransactionEnvelope, ENVELOPE, 150),
        (xdr.TransactionResult, RESULT, 600),
        (xdr.LedgerHeaderHistoryEntry, HEADER_ENTRY, 20),
    ],
)
def test_walkers_end_where_random_values_end(kind: type[Any], walker: Walker, seeds: int) -> None:
    for seed in range(seeds):
        data = draw(kind, seed).to_xdr_bytes()
        assert walker(data, 0) == len(data)


def test_envelopes_of_version_0_have_their_hash() -> None:
    source = xdr.Uint256(bytes(range(32)))
    memo, body = xdr.Memo(xdr.MemoType.MEMO_TEXT, text=b"x"), draw(xdr.Operation, 5)
    bounds = xdr.TimeBounds(xdr.TimePoint(xdr.Uint64(0)), xdr.TimePoint(xdr.Uint64(9)))
    sequence = xdr.SequenceNumber(xdr.Int64(7))
    old = xdr.TransactionV0(
        source, xdr.Uint32(100), sequence, bounds, memo, [body], xdr.TransactionV0Ext(0)
    )
    new = xdr.Transaction(
        xdr.MuxedAccount(xdr.CryptoKeyType.KEY_TYPE_ED25519, ed25519=source),
        *(old.fee, sequence),
        xdr.Preconditions(xdr.PreconditionType.PRECOND_TIME, time_bounds=bounds),
        *(memo, old.operations, xdr.TransactionExt(0)),
    )
    kind = xdr.EnvelopeType.ENVELOPE_TYPE_TX_V0
    envelope = xdr.TransactionEnvelope(kind, v0=xdr.TransactionV0Envelope(old, []))
    signed = bytes(32) + b"\x00\x00\x00\x02" + new.to_xdr_bytes()
    assert transaction_hash(envelope.to_xdr_bytes(), bytes(32)) == sha256(signed).digest()


def test_tampered_ledger_differs_in_one_bit_that_hashes_cover() -> None:
    sound = generated(transactions_per_ledger=5).close_meta(2)
    part = proved_part(sound)
    assert len(part) > len(sound) // 8
    for number in (0, 40, len(part) - 1, len(part) + 40):
        changed = tampered(sound, number)
        differing = [at for at in range(len(sound)) if sound[at] != changed[at]]
        assert differing == [part[number % len(part)]]
    header = xdr.LedgerCloseMeta.from_xdr_bytes(tampered(sound, 40)).v2.ledger_header
    assert header.hash.hash != sha256(header.header.to_xdr_bytes()).digest()
