"""Rows of whole ledgers are those of a node's events and transactions, but for what it cannot know.

Each difference has a reason; docs/architecture.md lists the same ones. There is no other.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from sorobanflow.audit.agreement import fetch_rows
from sorobanflow.devnet import Chain, DevnetServer, Recording
from sorobanflow.devnet.supply import LedgerSupply
from sorobanflow.errors import LedgerProofError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.only_whole import LEFT_OPEN
from sorobanflow.store.tables import (
    HISTORY_TABLES,
    STATE_TABLES,
    VERSION_GROUPS,
    VersionGroup,
    contract_data_entries,
)
from tests.integration.index_all import source_of
from tests.integration.index_whole import objects_of, whole_rows
from tests.integration.left_open import as_a_node_tells
from tests.ledgers import generated
from tests.whole_ledgers import PASSPHRASES, framed_ledgers, one_object

MAX_TX = 1048575
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Columns of a state row that may differ, by reason. An upgrade or eviction may change all.
POSITION = {"tx_order", "op_order", "change_order"}
BALANCE = {"balance", "amount"}

ACCOUNTS_REFUNDED = ("account_entries: refund", "token_balances: refund")
PARTS_OF_FEE = "transactions: parts of the fee"
#: Recordings that stand in both forms: the first ledger, how many, and what differs.
RECORDED: dict[str, tuple[int, int, dict[str, int]]] = {
    "pubnet-51000294": (51000294, 1, {}),
    "pubnet-63092990": (63092990, 1, dict.fromkeys(ACCOUNTS_REFUNDED, 11)),
    "applyload-10048": (10048, 2, {**dict.fromkeys(ACCOUNTS_REFUNDED, 732), PARTS_OF_FEE: 964}),
}


def node_rows(supply: LedgerSupply, ledgers: LedgerRange) -> BatchRows:
    """Make the rows of what a node answers."""
    chain = Chain(supply, closed=ledgers.last - supply.first + 1)
    with DevnetServer(chain) as server, RpcClient(server.url) as client:
        return fetch_rows(source_of(client), ledgers)


def check(node: BatchRows, whole: BatchRows) -> Counter[str]:
    """Compare all tables; gives how many groups of state rows differ for which reason."""
    assert node.quarantine == whole.quarantine == []
    reasons = Counter[str]()
    for table in HISTORY_TABLES:
        known = _history(whole, table.name)
        if table in LEFT_OPEN:
            told = as_a_node_tells(node.transactions, known)
            reasons[PARTS_OF_FEE] = sum(one != row for one, row in zip(told, known, strict=True))
            known = told
        assert _history(node, table.name) == known, table.name
    assert {*node.tokens} <= {*whole.tokens}
    assert node.headers == {}
    of_key = ("contract_id", "durability", "key")
    data = [_by_key(rows, contract_data_entries, of_key) for rows in (node, whole)]
    assert data[0].items() <= data[1].items()
    for table in STATE_TABLES:
        for group in VERSION_GROUPS[table]:
            for told, known in _pairs(node, whole, table, group):
                reason = _reason(told, known, group)
                assert reason is not None, (table.name, group.order[0], told, known)
                reasons[f"{table.name}: {reason}"] += 1
    return +reasons


def _history(rows: BatchRows, table: str) -> list[Any]:
    """Give a table's rows without close times, which one recording lacks."""
    found = rows.by_table()[table]
    return [row._replace(closed_at=EPOCH) if "closed_at" in row._fields else row for row in found]


def _pairs(
    node: BatchRows, whole: BatchRows, table: Table, group: VersionGroup
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Give the columns of a group in rows of both, where they differ."""
    columns = (*group.order, *group.data)
    told, known = (_by_key(rows, table, columns) for rows in (node, whole))
    nothing = dict.fromkeys(columns)
    for key in sorted({*told, *known}):
        pair = told.get(key, nothing), known.get(key, nothing)
        if pair[0] != pair[1] and any(value for one in pair for value in one.values()):
            yield pair


def _by_key(rows: BatchRows, table: Table, columns: Sequence[str]) -> dict[Any, dict[str, Any]]:
    keys = table.primary_key.columns.keys()
    return {
        tuple(getattr(row, key) for key in keys): {name: getattr(row, name) for name in columns}
        for row in rows.by_table()[table.name]
    }


def _reason(told: dict[str, Any], known: dict[str, Any], group: VersionGroup) -> str | None:
    """Tell why a group differs; None: it must not."""
    differ = {name for name in told if told[name] != known[name]}
    ledger, tx_order = (known[name] for name in group.order[:2])
    is_newer = told[group.order[0]] is None or _order(told, group) < _order(known, group)
    if differ == {"refund_unknown"} and told["refund_unknown"]:
        return "no refund"
    if not is_newer or ledger is None:
        return None
    if tx_order == 0:
        return "fee"
    if tx_order == MAX_TX and known["op_order"] > 0 and told[group.order[0]] == ledger:
        states_refund = told["tx_order"] == MAX_TX
        allowed = POSITION if states_refund else POSITION | BALANCE | {"refund_unknown"}
        return "refund" if differ <= allowed else None
    return {MAX_TX + 1: "upgrade", MAX_TX + 2: "eviction"}.get(tx_order)


def _order(row: dict[str, Any], group: VersionGroup) -> tuple[Any, ...]:
    return tuple(row[name] for name in group.order)


@pytest.mark.parametrize("stem", RECORDED)
def test_recorded_ledgers_in_both_forms(
    stem: str, recording_path: Callable[[str], Path], test_data: Path
) -> None:
    first, count, expected = RECORDED[stem]
    ledgers = LedgerRange(first, first + count - 1)
    files = framed_ledgers(test_data, stem)
    objects = [one_object(next(files)) for _ in range(count)]
    whole = make_rows(ledgers, [], [], PASSPHRASES[stem], objects=objects)
    node = node_rows(Recording(recording_path(stem)), ledgers)
    assert check(node, whole) == expected


def test_generated_ledgers_in_both_forms() -> None:
    source, ledgers = generated(transactions_per_ledger=3), LedgerRange(1, 17)
    whole = whole_rows(source, ledgers)
    assert sorted(whole.headers) == sorted(whole.closed_at) == [*range(1, 18)]
    node = node_rows(source, ledgers)
    assert node.closed_at == whole.closed_at
    reasons = check(node, whole)
    assert reasons == {
        **dict.fromkeys(ACCOUNTS_REFUNDED, 8),
        PARTS_OF_FEE: 1,  # of a fee bump that states its refund as before protocol 23
        "account_entries: upgrade": 3,
        "token_balances: upgrade": 3,
        "contract_data_entries: eviction": 1,
    }


def test_ledgers_outside_of_the_batch_are_ignored() -> None:
    source, ledgers = generated(transactions_per_ledger=3), LedgerRange(4, 6)
    objects = objects_of(source, LedgerRange(2, 8))
    rows = make_rows(ledgers, [], [], source.network.passphrase, objects=objects)
    assert rows.by_table() == whole_rows(source, ledgers).by_table()
    assert [*rows.headers] == [4, 5, 6]


def test_ledger_that_was_changed_fails_its_batch() -> None:
    source, ledgers = generated(transactions_per_ledger=3), LedgerRange(4, 6)
    objects = objects_of(source, ledgers)
    changed = bytearray(objects[1].data)
    changed[100] ^= 1  # in the header
    objects[1].data = bytes(changed)
    with pytest.raises(LedgerProofError, match="ledger 5") as caught:
        make_rows(ledgers, [], [], source.network.passphrase, objects=objects)
    assert caught.value.origin == "ledger 5"
