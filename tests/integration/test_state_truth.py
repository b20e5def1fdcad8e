"""Rows of whole ledgers hold the true state after them, as stellar-sdk walks over the changes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from tests.integration.state_oracle import EVICTED, TrueState, stored_state, true_state
from tests.whole_ledgers import (
    CORE_PASSPHRASE,
    PASSPHRASES,
    WholeLedger,
    core_chains,
    framed_ledgers,
    one_object,
)

#: Of stellar-core's 203 files, one in so many is enough for every run.
CORE_STEP = 13


def rows_of(ledgers: Sequence[WholeLedger], passphrase: str) -> BatchRows:
    """Make the rows of ledgers that follow each other."""
    objects = [one_object(ledger) for ledger in ledgers]
    batch = LedgerRange(objects[0].ledgers.first, objects[-1].ledgers.last)
    rows = make_rows(batch, [], [], passphrase, objects=objects)
    assert rows.quarantine == []
    return rows


def check_truth(ledgers: Sequence[WholeLedger], passphrase: str) -> TrueState:
    """Compare the rows with the truth; no key may be missing, surplus or different."""
    truth = true_state(one.xdr for one in ledgers)
    stored = stored_state(rows_of(ledgers, passphrase))
    for name, values in truth._asdict().items():
        assert getattr(stored, name) == values, name
    return truth


@pytest.mark.parametrize(
    ("stem", "accounts"),
    [
        ("pubnet-51000294", 632),
        ("pubnet-63092990", 254),
        ("applyload-10048", 499),
        ("loadtest-v23", 200),  # made by an upgrade; the other two ledgers fail the proofs
    ],
)
def test_first_ledger_leaves_the_true_state(stem: str, accounts: int, test_data: Path) -> None:
    ledger = next(framed_ledgers(test_data, stem))
    assert len(check_truth([ledger], PASSPHRASES[stem]).accounts) == accounts


def test_ledgers_of_stellar_core_leave_the_true_state(test_data: Path) -> None:
    seen = Counter[str]()
    for chain in [*core_chains(test_data)][2::CORE_STEP]:
        # The last ledger of most files restores what the ones before it evicted.
        truth = check_truth(chain[:-1] or chain, CORE_PASSPHRASE)
        seen.update({name: len(values) for name, values in truth._asdict().items()})
        seen["evicted"] += sum(one == EVICTED for one in truth.ttl.values())
    assert min(seen[name] for name in (*TrueState._fields, "evicted")) > 0, seen


@pytest.mark.long
def test_all_ledgers_leave_the_true_state(test_data: Path) -> None:
    check_truth([*framed_ledgers(test_data, "applyload-10048")], PASSPHRASES["applyload-10048"])
    for chain in core_chains(test_data):
        check_truth(chain, CORE_PASSPHRASE)
