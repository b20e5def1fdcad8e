"""The state in the tables, and the trades, do not depend on the order in which ledgers arrive."""

from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.recording import Recording
from sorobanflow.devnet.supply import LedgerSupply
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import Transaction
from sorobanflow.store.coverage import Stream, open_stream
from sorobanflow.store.tables import STATE_TABLES
from sorobanflow.store.upsert import upsert_batch
from tests.table_names import fullnames

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Ranges = list[LedgerRange]
NAMES = [*(table.name for table in STATE_TABLES), "trades"]


def wire_transactions(source: LedgerSupply, sequence: int) -> list[Transaction]:
    ledger = source.ledger(sequence)
    return [
        Transaction(
            tx_hash=one.hash,
            status=one.status,
            ledger=sequence,
            application_order=one.application_order,
            fee_bump=one.fee_bump,
            created_at=ledger.close_time,
            envelope_xdr=b64decode(one.envelope_xdr),
            result_xdr=b64decode(one.result_xdr),
            result_meta_xdr=b64decode(one.result_meta_xdr),
        )
        for one in ledger.transactions
    ]


class Chain:
    """The batches of a source's ledgers, made once for each range."""

    def __init__(self, source: LedgerSupply, first: int, last: int) -> None:
        self.whole = LedgerRange(first, last)
        self._passphrase = source.network.passphrase
        self._transactions = {n: wire_transactions(source, n) for n in range(first, last + 1)}
        self.batch = cache(self._make)

    def _make(self, ledgers: LedgerRange) -> BatchRows:
        sequences = range(ledgers.first, ledgers.last + 1)
        wanted = [one for number in sequences for one in self._transactions[number]]
        batch = make_rows(ledgers, [], wanted, self._passphrase)
        assert batch.quarantine == []
        return batch

    def splits(self) -> st.SearchStrategy[Ranges]:
        """Ways to cut the ledgers into ranges, in any order."""
        cuts = st.sets(st.integers(self.whole.first + 1, self.whole.last))
        return cuts.map(self._cut).flatmap(st.permutations)

    def _cut(self, cuts: set[int]) -> Ranges:
        firsts = [self.whole.first, *sorted(cuts)]
        lasts = [first - 1 for first in firsts[1:]] + [self.whole.last]
        return [LedgerRange(*ends) for ends in zip(firsts, lasts, strict=True)]


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {fullnames(NAMES)}"))


def state_of(engine: Engine, checksums: Checksums) -> dict[str, tuple[int, str]]:
    return {name: value for name, value in checksums(engine).items() if name in NAMES}


def check_order(chain: Chain, examples: int, engine: Engine, checksums: Checksums) -> None:
    open_stream(engine, Stream())
    upsert_batch(engine, chain.batch(chain.whole), "all")
    wanted = state_of(engine, checksums)
    assert wanted["account_entries"][0] > 0

    def write(ranges: Ranges) -> None:
        for ledgers in ranges:
            upsert_batch(engine, chain.batch(ledgers), "all")

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(ranges=chain.splits(), data=st.data())
    def in_any_order(ranges: Ranges, data: Any) -> None:
        clear(engine)
        share = data.draw(st.integers(0, len(ranges)))
        with ThreadPoolExecutor(2) as pool:  # two writers side by side
            for done in [pool.submit(write, ranges[:share]), pool.submit(write, ranges[share:])]:
                done.result()
        assert state_of(engine, checksums) == wanted

    in_any_order()


def test_generated_ledgers_leave_one_state_in_any_order(
    engine: Engine, checksums: Checksums
) -> None:
    chain = Chain(Generator(seed=5), 1, 40)
    check_order(chain, 10, engine, checksums)
    counts = {table: size for table, (size, _) in state_of(engine, checksums).items()}
    assert counts["contract_data_entries"] > 30
    assert counts["contract_code"] > 10
    with engine.begin() as connection:
        deleted = "SELECT count(*) FROM contract_data_entries WHERE deleted"
        assert connection.execute(text(deleted)).scalar_one() > 0


@pytest.mark.parametrize(
    ("name", "first", "last", "rows"),
    [
        ("pubnet-30822015", 30822015, 30822025, {"trades": 5, "trust_lines": 126, "offers": 1084}),
        ("applyload-10048", 10048, 10050, {"trades": 0, "account_entries": 863}),
    ],
)
def test_recorded_ledgers_leave_one_state_in_any_order(
    name: str,
    first: int,
    last: int,
    rows: dict[str, int],
    recording_path: Callable[[str], Path],
    engine: Engine,
    checksums: Checksums,
) -> None:
    check_order(Chain(Recording(recording_path(name)), first, last), 4, engine, checksums)
    found = {table: size for table, (size, _) in state_of(engine, checksums).items()}
    assert {table: found[table] for table in rows} == rows
