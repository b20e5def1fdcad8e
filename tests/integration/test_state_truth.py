"""The tables hold what ledgers did and left, as stellar-sdk walks over them: the true state, the
results of operations, trades and fees. What trades say sums up to the balances that changed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, Engine
from stellar_sdk import xdr

from sorobanflow.decode.transactions import network_id
from sorobanflow.devnet.recording import Recording
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.store.upsert import make_room, write_rows
from tests.integration.result_oracle import true_results
from tests.integration.state_oracle import TTL, TrueState
from tests.integration.stored_truth import Tables, check_sums, check_tables
from tests.integration.test_rows_corpus import wrap
from tests.integration.test_state_order import wire_transactions
from tests.integration.timeline_oracle import check_timeline
from tests.integration.true_items import (
    Applied,
    applied_of,
    applied_transactions,
    recorded_transactions,
)
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
#: One of the files in which a call restores archived entries.
RESTORES_BY_CALL = 116
#: What a node does not tell: fees before transactions, and refunds of them, change these.
NOT_OF_NODES = ("account_entries", "token_balances")
#: Early protocols took a path payment to oneself and did not give it back: no sums hold.
LOSES_FUNDS = "self-path-payment-funds-loss-bug"
#: Tables of which the sampled ledgers of stellar-core have no row.
NOT_OF_CORE = {"liquidity_pools", "claimable_balances", "account_data", "trades", "path_payments"}

KINDS = ("upgrade", "extension", "restoration", "automatic_restoration", "eviction")
TIMELINE = {f"timeline: {kind}" for kind in KINDS}


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def check_truth(
    ledgers: Sequence[WholeLedger], passphrase: str, connection: Connection
) -> dict[str, int]:
    """Store ledgers that follow each other, and compare; nothing is kept. Counts the rows."""
    objects = [one_object(ledger) for ledger in ledgers]
    batch = LedgerRange(objects[0].ledgers.first, objects[-1].ledgers.last)
    network = network_id(passphrase)
    metas = [xdr.LedgerCloseMeta.from_xdr_bytes(ledger.xdr) for ledger in ledgers]
    truth, applied = TrueState(network), list[Applied]()
    for meta in metas:
        truth.add_ledger(meta)
        applied += applied_transactions(meta, network)
    rows = make_rows(batch, [], [], passphrase, objects=objects)
    return check_stored(rows, truth.tables, applied, connection, metas)


def check_stored(
    rows: BatchRows,
    state: Tables,
    applied: Sequence[Applied],
    connection: Connection,
    metas: Sequence[xdr.LedgerCloseMeta] = (),
) -> dict[str, int]:
    assert rows.quarantine == []
    truth = {**state, **true_results(applied)}
    make_room(connection.engine, rows)
    with connection.begin() as kept:
        write_rows(connection, rows, "all")
        check_tables(connection, truth)
        sums = check_sums(connection, applied)
        kinds = check_timeline(connection, metas, applied)
        kept.rollback()
    evicted = sum(one["evicted"] for one in truth[TTL].values())
    counts = {name: len(values) for name, values in truth.items()}
    return counts | kinds | {"evicted": evicted, "operations that trade": sums}


@pytest.mark.parametrize(
    ("stem", "counts"),
    [
        (
            "pubnet-51000294",
            {"account_entries": 632, "trust_lines": 583, "offers": 481, "liquidity_pools": 28}
            | {"trades": 194, "operations that trade": 505},
        ),
        (
            "pubnet-63092990",
            {"account_entries": 254, "trust_lines": 396, "offers": 209, "liquidity_pools": 35}
            | {"claimable_balances": 86, "trades": 59, "operations that trade": 228},
        ),
        ("applyload-10048", {"account_entries": 499, "trades": 0}),
        # Made by an upgrade; the other two ledgers fail the proofs.
        ("loadtest-v23", {"account_entries": 200}),
    ],
)
def test_first_ledger_leaves_the_true_state(
    stem: str, counts: dict[str, int], test_data: Path, connection: Connection
) -> None:
    ledger = next(framed_ledgers(test_data, stem))
    found = check_truth([ledger], PASSPHRASES[stem], connection)
    assert found == found | counts


def test_ledgers_of_stellar_core_leave_the_true_state(
    test_data: Path, connection: Connection
) -> None:
    seen = Counter[str]()
    chains = [*core_chains(test_data)]
    # The last ledger of most files restores what the ones before it evicted.
    for chain in [*(one[:-1] or one for one in chains[2::CORE_STEP]), chains[RESTORES_BY_CALL]]:
        seen.update(check_truth(chain, CORE_PASSPHRASE, connection))
    assert {name for name, count in seen.items() if count == 0} == NOT_OF_CORE
    assert seen.keys() >= TIMELINE


@pytest.mark.parametrize(
    ("stem", "counts"),
    [
        ("pubnet-63800060", {"trades": 17, "offers": 67, "liquidity_pools": 11}),
        pytest.param("pubnet-30822015", {"trades": 5, "offers": 1084}, marks=pytest.mark.long),
        pytest.param("pubnet-51000294", {"trades": 194}, marks=pytest.mark.long),
        pytest.param("pubnet-63092990", {"trades": 59}, marks=pytest.mark.long),
        pytest.param("applyload-10048", {"trades": 0}, marks=pytest.mark.long),
    ],
)
def test_recording_leaves_the_true_state(
    stem: str,
    counts: dict[str, int],
    recording_path: Callable[[str], Path],
    connection: Connection,
) -> None:
    source, applied = (
        Recording(recording_path(stem)),
        [*recorded_transactions(recording_path(stem))],
    )
    batch = LedgerRange(source.first, source.last or source.first)
    truth = TrueState(network_id(source.network.passphrase))
    truth.add_transactions(applied)
    items = [
        one for n in range(batch.first, batch.last + 1) for one in wire_transactions(source, n)
    ]
    rows = make_rows(batch, [], items, source.network.passphrase)
    state = {name: each for name, each in truth.tables.items() if name not in NOT_OF_NODES}
    found = check_stored(rows, state, applied, connection)
    assert found == found | counts


def test_effects_cases_leave_the_true_state(
    corpus: Callable[[str], list[dict[str, Any]]], connection: Connection
) -> None:
    """They have what the ledgers lack: entries of all types that are made and removed."""
    header, *cases = corpus("effects-cases")
    cases = [one for one in cases if one["case"] != LOSES_FUNDS]
    seen = Counter[str]()
    for network, passphrase in header["passphrases"].items():
        unique = {one["hash"]: one for one in cases if one["network"] == network}
        items = [
            replace(wrap(one), application_order=order)
            for order, one in enumerate(unique.values(), 1)
        ]
        applied = [applied_of(one) for one in items]
        truth = TrueState(network_id(passphrase))
        truth.add_transactions(applied)
        rows = make_rows(LedgerRange(1, 1), [], items, passphrase)
        state = {name: each for name, each in truth.tables.items() if name != "account_entries"}
        seen.update(check_stored(rows, state, applied, connection))
        for table, each in state.items():
            seen[f"{table} removed"] += sum(row.get("deleted", False) for row in each.values())
    contracts = {"contract_data_entries removed", "contract_code removed", "ttl removed", "evicted"}
    contracts.add("contract_executables removed")
    assert {name for name in seen if seen[name] == 0} == contracts | {"account_data removed"}


@pytest.mark.long
def test_all_ledgers_leave_the_true_state(test_data: Path, connection: Connection) -> None:
    ledgers = [*framed_ledgers(test_data, "applyload-10048")]
    check_truth(ledgers, PASSPHRASES["applyload-10048"], connection)
    for chain in core_chains(test_data):
        check_truth(chain, CORE_PASSPHRASE, connection)
