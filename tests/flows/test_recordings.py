"""Recorded ledgers, indexed over HTTP, against what stellar-sdk alone reads from their XDR."""

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from stellar_sdk import xdr

from blocks import Database
from blocks.documents import load_block
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, Recording
from sorobanflow.store.coverage import read_coverage
from tests.flows.chain_facts import ChainFacts

Serve = Callable[..., DevnetServer]

COUNTS = {
    "transactions": "SELECT count(*) FROM transactions",
    "failed": "SELECT count(*) FROM transactions WHERE NOT successful",
    "operations": "SELECT count(*) FROM operations",
    "events": "SELECT count(*) FROM events",
}
#: What token operations move: to whom, from whom, and fees, whose refunds are negative.
MOVES = """
SELECT contract_id, to_address, amount FROM token_operations
WHERE successful AND type IN ('transfer', 'mint') AND to_address IS NOT NULL
UNION ALL
SELECT contract_id, from_address, -amount FROM token_operations
WHERE successful AND type IN ('transfer', 'burn', 'clawback') OR type = 'fee'
"""
#: The same of native payments and fees, on a network that states neither in events.
SILENT_MOVES = """
WITH silent AS (SELECT NOT EXISTS (SELECT FROM token_operations WHERE type = 'fee') AS silent)
SELECT fee_account, -fee_charged FROM transactions, silent WHERE silent
UNION ALL
SELECT details ->> 'destination', (details ->> 'amount')::bigint FROM operations, silent
WHERE silent AND successful AND type = 'payment' AND details ->> 'asset' = 'native'
UNION ALL
SELECT source_account, -(details ->> 'amount')::bigint FROM operations, silent
WHERE silent AND successful AND type = 'payment' AND details ->> 'asset' = 'native'
"""


#: Payers of contract calls in the ledger that changed them last, where no fee is in events.
OPEN_REFUNDS = """
SELECT DISTINCT account_id FROM account_entries JOIN transactions
ON fee_account = account_id AND transactions.ledger = account_entries.ledger
WHERE soroban_resource_fee IS NOT NULL
AND NOT EXISTS (SELECT FROM token_operations WHERE type = 'fee')
"""


def _rows(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return list(connection.execute(text(query)))


def _xdr(value: Any) -> bytes:
    return xdr.SCVal.from_json_dict(value).to_xdr_bytes()


def _check_counts(engine: Engine, facts: ChainFacts) -> None:
    counts = {name: _rows(engine, query)[0][0] for name, query in COUNTS.items()}
    assert counts == dict(facts.counts)
    [(transactions, events)] = _rows(
        engine, "SELECT sum(transaction_count), sum(event_count) FROM ledgers"
    )
    assert (transactions, events) == (facts.counts["transactions"], facts.counts["events"])
    assert _rows(engine, "SELECT * FROM quarantine") == []


def _check_state(engine: Engine, facts: ChainFacts) -> None:
    accounts = _rows(engine, "SELECT account_id, balance, sequence, deleted FROM account_entries")
    assert facts.accounts == {
        account: None if deleted else (balance, sequence)
        for account, balance, sequence, deleted in accounts
    }
    balances = _rows(
        engine,
        "SELECT contract_id, address, amount, deleted FROM token_balances "
        "WHERE source IN ('account', 'trustline')",
    )
    assert facts.balances == {
        (contract, address): None if deleted else int(amount)
        for contract, address, amount, deleted in balances
    }
    data = _rows(engine, "SELECT key_hash, value, deleted FROM contract_data_entries")
    assert facts.data == {
        key: None if deleted else hashlib.sha256(_xdr(value)).hexdigest()
        for key, value, deleted in data
        if deleted or value is not None
    }
    lives = _rows(
        engine,
        "SELECT key_hash, live_until_ledger FROM contract_data_entries "
        "WHERE ttl_ledger IS NOT NULL",
    )
    assert facts.lives == dict(tuple(row) for row in lives)  # no recording holds code


def _check_what_is_not_known(engine: Engine) -> None:
    """Refunds are open where a contract call of the last ledger has no fee events; names never."""
    open_refunds = _rows(engine, "SELECT account_id FROM account_entries WHERE refund_unknown")
    assert sorted(open_refunds) == sorted(_rows(engine, OPEN_REFUNDS))
    unnamed = "SELECT contract_id FROM balances WHERE symbol IS NULL OR scaled_amount IS NULL"
    assert _rows(engine, unnamed) == []


def _replay(engine: Engine, facts: ChainFacts) -> tuple[dict[int, int], int]:
    """Replay the token operations on what was there before, and compare with what is stored.

    Gives the number of balances by what is left over, and how many of all had moved.
    """
    moved: Counter[tuple[str, str]] = Counter()
    for contract, address, amount in _rows(engine, MOVES):
        moved[contract, address] += int(amount)
    for account, amount in _rows(engine, SILENT_MOVES):
        moved[facts.native, account] += amount
    remainders: Counter[int] = Counter()
    for holder, amount in facts.balances.items():
        remainders[(amount or 0) - facts.bases[holder] - moved[holder]] += 1
    return dict(remainders), sum(moved[holder] != 0 for holder in facts.balances)


#: Its contract calls are asked for. Others have some, too.
WITH_CALLS = "pubnet-63092990"
#: The load generator's network states no fees in events, nor what a transaction used of its
#: fee: accounts that pay in their first ledger, or their last, are off by one refund.
REFUND = 1_149_662


@pytest.mark.parametrize(
    ("name", "ledgers", "transactions", "operations", "remainders", "moved"),
    [
        ("pubnet-30822015", None, 650, 2085, {0: 397}, 275),
        ("pubnet-51000294", None, 541, 878, {0: 1215}, 928),
        (WITH_CALLS, None, 236, 686, {0: 650}, 521),
        ("pubnet-63800060", None, 50, None, {0: 249}, 204),
        ("applyload-10048", 6, 2_952, None, {0: 956, REFUND: 8, -REFUND: 11}, 975),
    ],
)
def test_recording_is_indexed_completely(
    name: str,
    ledgers: int | None,
    transactions: int,
    operations: int | None,
    remainders: dict[int, int],
    moved: int,
    recording_path: Callable[[str], Path],
    serve: Serve,
    save_blocks: Callable[[str], dict[str, str]],
    engine: Engine,
) -> None:
    path = recording_path(name)
    chain = Chain(Recording(path), closed=ledgers)
    blocks = save_blocks(serve(chain).url)
    if name == WITH_CALLS:
        database = load_block(Database, blocks["database"])
        asking = database.model_copy(update={"contract_calls": True})
        asking.save(blocks["database"], overwrite=True)
    index(**blocks, start_ledger="oldest")
    calls = 40 if name == WITH_CALLS else 0
    assert _rows(engine, "SELECT count(*) FROM contract_calls") == [(calls,)]
    facts = ChainFacts(path, ledgers)
    assert facts.counts["transactions"] == transactions
    assert operations in (None, facts.counts["operations"])
    assert read_coverage(engine, "all").covered == (chain.window(),)
    _check_counts(engine, facts)
    _check_state(engine, facts)
    _check_what_is_not_known(engine)
    assert _replay(engine, facts) == (remainders, moved)
