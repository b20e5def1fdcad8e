"""Whole ledgers are compared with a node: it tells less, and what both tell is still judged."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from stellar_sdk import xdr

from sorobanflow.audit import chain
from sorobanflow.audit.agreement import Compared, compare, fetch_rows
from sorobanflow.audit.chain import read_proof
from sorobanflow.audit.unlike import compare_table, stage_made
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.ledgers import Anchor, LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.source import RpcSource
from sorobanflow.store.claims import claims_on, read_claims
from sorobanflow.store.tables import STATE_TABLES, account_entries, token_balances
from sorobanflow.store.upsert import upsert_batch
from tests.integration.index_all import source_of
from tests.integration.index_whole import index_whole, whole_rows
from tests.integration.test_state_order import wire_transactions
from tests.ledgers import generated

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
#: The last one evicts an entry.
LEDGERS = LedgerRange(1, 17)
SOURCE = generated(transactions_per_ledger=3)
STATE = [table.name for table in STATE_TABLES]
MAX_TX = 1048575


@pytest.fixture
def whole(engine: Engine) -> Engine:
    index_whole(SOURCE, engine, LEDGERS)
    return engine


@pytest.fixture(scope="module")
def node() -> Iterator[RpcSource]:
    with (
        DevnetServer(Chain(SOURCE, closed=LEDGERS.last)) as server,
        RpcClient(server.url) as client,
    ):
        yield source_of(client)


@pytest.fixture(scope="module")
def silent() -> BatchRows:
    """The rows of a node whose metas have no events of fees: no refund is known."""
    ledgers = range(LEDGERS.first, LEDGERS.last + 1)
    items = [one for n in ledgers for one in wire_transactions(SOURCE, n)]
    for item in items:
        meta = xdr.TransactionMeta.from_xdr_bytes(item.result_meta_xdr)
        assert meta.v4 is not None
        meta.v4.events = []
        item.result_meta_xdr = meta.to_xdr_bytes()
    rows = make_rows(LEDGERS, [], items, SOURCE.network.passphrase)
    assert any(row.refund_unknown for row in rows.account_entries)
    return rows


def _compare(source: RpcSource, engine: Engine) -> Compared:
    return compare(engine, source, LEDGERS, read_claims(engine, [LEDGERS]))


def _all(engine: Engine, statement: str) -> list[Any]:
    with engine.begin() as connection:
        return _run(connection, statement)


def _run(connection: Connection, statement: str) -> list[Any]:
    return [tuple(row) for row in connection.execute(text(statement))]


def test_whole_ledgers_do_not_differ_from_a_node(whole: Engine, node: RpcSource) -> None:
    known = _all(
        whole,
        "SELECT count(*) FILTER (WHERE tx_order = 0), "
        f"count(*) FILTER (WHERE tx_order = {MAX_TX} AND op_order > 0), "
        f"count(*) FILTER (WHERE tx_order = {MAX_TX + 1}), "
        f"(SELECT count(*) FROM contract_data_entries WHERE ttl_tx_order = {MAX_TX + 2}) "
        "FROM account_entries",
    )
    assert min(known[0][1:]) > 0, known
    assert _compare(node, whole) == (LEDGERS.size, (), ())


def test_repair_through_a_node_changes_nothing(
    whole: Engine, node: RpcSource, checksums: Checksums
) -> None:
    before = checksums(whole)
    rows = fetch_rows(node, LEDGERS)
    upsert_batch(whole, rows, "all", read_claims(whole, [LEDGERS]))
    assert checksums(whole) == before


REFUNDED = f"tx_order = {MAX_TX} AND op_order > 0"
#: Damage to rows of whole ledgers in columns that a node determines, too.
DAMAGE = {
    "account": "account_entries SET sequence = sequence + 1 WHERE tx_order BETWEEN 1 AND 99",
    "refunded account": f"account_entries SET sequence = sequence + 1 WHERE {REFUNDED}",
    "refunded balance": f"account_entries SET balance = balance + 1 WHERE {REFUNDED}",
    "refund": "account_entries SET refund_unknown = true WHERE tx_order BETWEEN 1 AND 99",
    "refunded amount": f"token_balances SET amount = amount + 1 WHERE {REFUNDED}",
    "older change": f"account_entries SET ledger = ledger - 1 WHERE {REFUNDED} AND ledger > 1",
    "part of a fee": "stored.transactions SET inclusion_fee_charged = 1 WHERE NOT fee_bump "
    "AND soroban_resource_fee IS NOT NULL",
    "evicted": "contract_data_entries SET evicted = true WHERE ttl_tx_order < 99",
    "event count": "ledgers SET event_count = 0",
    "position without a header": f"account_entries SET tx_order = {MAX_TX + 1} WHERE ledger = 12",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_that_a_node_can_see_is_found_and_repaired(
    damage: str, whole: Engine, node: RpcSource, checksums: Checksums
) -> None:
    if damage == "position without a header":
        columns = "hash, operation_count, failed_transaction_count, proved"
        statement = f"UPDATE ledgers SET ({columns}) = (NULL, NULL, NULL, false)"
        assert _all(whole, f"{statement} WHERE sequence = 12 RETURNING 1")
    before = checksums(whole)
    count = len(_all(whole, f"UPDATE {DAMAGE[damage]} RETURNING 1"))
    differences = _compare(node, whole).differences
    assert {one.table for one in differences} == {
        DAMAGE[damage].partition(" ")[0].removeprefix("stored.")
    }
    assert 0 < sum(one.rows for one in differences) <= count
    if damage in ("refunded account", "refunded balance", "refunded amount", "older change"):
        return  # only the whole ledger can restore it
    rows = fetch_rows(node, LEDGERS)
    upsert_batch(whole, rows, "all", read_claims(whole, [LEDGERS]))
    assert checksums(whole) == before


def test_node_that_states_no_refunds_makes_none_unknown(
    whole: Engine, silent: BatchRows, checksums: Checksums
) -> None:
    with whole.begin() as connection:
        stage_made(connection, silent)
        claims = claims_on(connection, [LEDGERS])
        for table in (account_entries, token_balances):
            assert compare_table(connection, table, silent, None, claims) == []
        _run(connection, f"UPDATE account_entries SET flags = 9 WHERE {REFUNDED} RETURNING 1")
        assert compare_table(connection, account_entries, silent, None, claims) != []
        connection.rollback()
    before = checksums(whole)
    for replaced in (None, read_claims(whole, [LEDGERS])):
        upsert_batch(whole, silent, "all", replaced)
        after = checksums(whole)
        assert [after[name] == before[name] for name in STATE] == [True] * len(STATE)


def test_whole_ledgers_restore_what_only_they_tell(whole: Engine, checksums: Checksums) -> None:
    before = checksums(whole)
    for damage in DAMAGE.values():
        _all(whole, f"UPDATE {damage} RETURNING 1")
    _all(whole, f"DELETE FROM account_entries WHERE tx_order > {MAX_TX} RETURNING 1")
    assert checksums(whole) != before
    rows = whole_rows(SOURCE, LEDGERS)
    upsert_batch(whole, rows, "all", read_claims(whole, [LEDGERS]))
    assert checksums(whole) == before


def test_counts_follow_the_rows_that_a_node_adds(
    engine: Engine, whole: Engine, node: RpcSource, checksums: Checksums
) -> None:
    """As after a transaction was in quarantine."""
    before = checksums(whole)
    [(gone,)] = _all(
        whole, "DELETE FROM transactions WHERE ledger = 11 AND NOT successful RETURNING hash"
    )
    _all(whole, f"DELETE FROM operations WHERE tx_hash = '{gone}' RETURNING 1")
    count = "operation_count - 1, failed_transaction_count - 1, transaction_count - 1"
    columns = "operation_count, failed_transaction_count, transaction_count"
    _all(whole, f"UPDATE ledgers SET ({columns}) = ({count}) WHERE sequence = 11 RETURNING 1")
    upsert_batch(engine, fetch_rows(node, LEDGERS), "all")
    assert checksums(whole) == before


@pytest.mark.parametrize("chunk", [1, 2, 4, 100])
def test_chain_of_the_stream_is_proved_up_to_its_breaks(
    chunk: int, whole: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "CHUNK_LEDGERS", chunk)
    [(anchor,)] = _all(whole, "SELECT hash FROM ledgers WHERE sequence = 12")
    proof = read_proof(whole, [LEDGERS], Anchor(12, anchor))
    assert [run.ledgers for run in proof.runs] == [LEDGERS]
    assert proof.anchored_hash == anchor
    _all(whole, "UPDATE ledgers SET proved = false WHERE sequence = 4 RETURNING 1")
    _all(whole, "UPDATE ledgers SET hash = 'other' WHERE sequence = 12 RETURNING 1")
    covered = LedgerRange(2, 7), LedgerRange(9, 17)
    proof = read_proof(whole, covered, Anchor(12, anchor))
    runs = [tuple(run.ledgers) for run in proof.runs]
    assert runs == [(2, 3), (5, 7), (9, 12), (13, 17)]
    assert (proof.breaks, proof.contradicts_anchor) == ([13], True)


def test_ledgers_that_a_node_told_are_not_proved(engine: Engine, node: RpcSource) -> None:
    index_whole(SOURCE, engine, LedgerRange(1, 3))
    upsert_batch(engine, fetch_rows(node, LEDGERS), "all")
    assert read_proof(engine, [LEDGERS], None).runs == (((1, 3), False),)
