"""The analyst's script: right on small tables and on recorded ledgers, exact to the last digit."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine

from docs.analysis import connect, fees, read, tokens
from sorobanflow.devnet import Chain, DevnetServer, Recording
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.state_rows import TokenBalanceRow, TokenMetadataRow
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.tables import token_balances, token_metadata, token_operations
from tests.integration.index_all import index_all
from tests.integration.state_changes import store

ROOT = Path(__file__).parents[2]
CLOSED = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = {"ledger": 7, "tx_order": 1, "op_order": 1, "change_order": 0}
I128_MAX = 2**127 - 1
GOLD = TokenMetadataRow("C1", "Gold", "GLD", 7, None, None, None, "ab", False, **ORDER)


def _balance(address: str, amount: int) -> TokenBalanceRow:
    return TokenBalanceRow(
        "C1", address, amount, True, None, None, "contract_data", False, **ORDER,
    )  # fmt: skip


def _transfer(index: int, amount: int) -> TokenOperationRow:
    return TokenOperationRow(
        CLOSED, 7, 1, 0, index, 0, True, b"\xaa", "C1", "G1", "G2", None, amount,
    )  # fmt: skip


def _script(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "docs/analysis.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_answers_from_recorded_ledgers(
    engine: Engine, database_url: str, recording_path: Callable[[str], Path], tmp_path: Path
) -> None:
    recording = Recording(recording_path("pubnet-63092990"))
    with DevnetServer(Chain(recording)) as node, RpcClient(node.url) as client:
        health = client.get_health()
        index_all(client, engine, LedgerRange(health.oldest_ledger, health.latest_ledger))
    picture = tmp_path / "fees.png"
    done = _script(database_url, str(picture))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    # As counted with stellar-sdk in the recording, without the indexer.
    assert ["CLARITY", "85", "0.288660", "1", "100"] in lines
    assert ["tx_failed", "invoke_host_function", "trapped", "19", "8.051"] in lines
    assert ["25", "0.001454", "0.004314", "0.0576507"] in [line[2:] for line in lines]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_amounts_of_39_digits_are_exact(engine: Engine, database_url: str) -> None:
    store(engine, token_metadata, GOLD)
    store(engine, token_operations, _transfer(1, I128_MAX), _transfer(2, I128_MAX))
    (row,) = tokens(connect(database_url)).to_dict("records")
    assert (row["token"], row["moves"], row["holders"]) == ("GLD", 2, 0)
    assert str(row["amount"]) == "34028236692093846346337460743176.8211454"


def test_share_is_that_of_the_ten_largest(engine: Engine, database_url: str) -> None:
    store(engine, token_operations, _transfer(1, 5))
    store(engine, token_balances, *[_balance(f"G{number:02}", 5) for number in range(19)])
    store(engine, token_balances, _balance("G99", 50), _balance("G00", 0))
    (row,) = tokens(connect(database_url)).to_dict("records")
    assert row["holders"] == 19
    assert row["ten hold, %"] == pytest.approx(100 * (50 + 9 * 5) / (50 + 18 * 5))


@pytest.mark.parametrize(
    ("span", "stretches"), [(timedelta(0), 1), (timedelta(hours=2), 13), (timedelta(days=60), 61)]
)
def test_time_is_cut_into_round_stretches(span: timedelta, stretches: int) -> None:
    times = pd.date_range(CLOSED, CLOSED + span, freq=max(span / 120, timedelta(seconds=1)))
    by_time = fees(pd.DataFrame({"closed_at": times, "stroops": 123}))
    assert len(by_time) == stretches
    assert by_time["calls"].sum() == len(times)
    assert sum(by_time["sum"]) == Decimal("0.0000123") * len(times)


@pytest.mark.usefixtures("engine")
def test_empty_database_has_no_answers(database_url: str, tmp_path: Path) -> None:
    done = _script(database_url, str(tmp_path / "none.png"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("nothing is stored") == 3


def test_numeric_stays_exact(database_url: str) -> None:
    frame = read(connect(database_url), "SELECT 170141183460469231731687303715884105727::numeric n")
    assert frame["n"].to_list() == [Decimal(I128_MAX)]
