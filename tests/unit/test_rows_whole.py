"""What only whole ledgers tell, of hand-made ledgers: positions, headers, and what is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sorobanflow.decode.changes import Change
from sorobanflow.decode.close_meta import CloseMeta, FeeChanges, Header, Upgrade
from sorobanflow.errors import DecodeError, LedgerProofError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.headers import HeaderRow
from sorobanflow.rows.row_maker import RowMaker
from tests.unit.state_items import (
    PASSPHRASE,
    account_change,
    account_entry,
    code_change,
    data_change,
    ttl_change,
)
from tests.unit.test_rows_batch_state import paying
from tests.unit.wire_items import ALICE, BOB, TOKEN

LEDGER = 1000
MAX_TX = 1048575
WASM_HASH = "58f1391217525aca029e5511ffbd301108cf3b0d1d533cf5289934147da00156"
CLOSED = datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC)


def ledger_hash(ledger: int) -> str:
    return f"{ledger:064x}"


def header(ledger: int = LEDGER, **fields: Any) -> Header:
    hashes = ledger_hash(ledger), ledger_hash(ledger - 1)
    closed_at = int(CLOSED.timestamp())
    return Header(ledger, *hashes, 23, closed_at, 100, 5_000_000, 7, 10**18)._replace(**fields)


def whole(ledger: int = LEDGER, *transactions: Any, **fields: Any) -> CloseMeta:
    parts: dict[str, Any] = {name: [] for name in ("events", "fees", "upgrades", "evicted")}
    parts |= {"header": header(ledger), "transactions": [*transactions]} | fields
    parts["upgrades"] = [Upgrade({"version": 23}, changes) for changes in parts["upgrades"]]
    return CloseMeta(**parts)


def rows_of(*ledgers: CloseMeta, **options: Any) -> BatchRows:
    numbers = [one.header.sequence for one in ledgers]
    maker = RowMaker(LedgerRange(min(numbers), max(numbers)), PASSPHRASE, **options)
    for one in ledgers:
        maker.add_whole_ledger(one, "object")
    return maker.finish()


def left_with(balance: int) -> list[Change]:
    return [account_change("updated", ALICE, account_entry(ALICE, balance), op_order=0)]


BEFORE, AFTER = FeeChanges(left_with(1), []), FeeChanges([], left_with(3))


@pytest.mark.parametrize(
    ("fields", "balance", "place"),
    [
        ({}, 2, (1, 1)),
        ({"fees": [BEFORE]}, 2, (1, 1)),
        ({"fees": [BEFORE, AFTER]}, 3, (MAX_TX, 2)),
        ({"fees": [AFTER, BEFORE]}, 3, (MAX_TX, 1)),
        ({"fees": [AFTER], "upgrades": [[], left_with(4)]}, 4, (MAX_TX + 1, 2)),
    ],
)
def test_last_change_of_the_ledger_decides(
    fields: dict[str, Any], balance: int, place: tuple[int, int]
) -> None:
    rows = rows_of(whole(LEDGER, paying(LEDGER, 1, 2), **fields))
    [account], [native] = rows.account_entries, rows.token_balances
    assert (account.balance, account.ledger, account.tx_order, account.op_order) == (
        *(balance, LEDGER),
        *place,
    )
    assert (native.amount, native.tx_order, native.op_order) == (balance, *place)


def test_fee_of_a_transaction_that_changes_nothing_is_in_the_account() -> None:
    [account] = rows_of(whole(LEDGER, fees=[BEFORE])).account_entries
    assert (account.balance, account.tx_order, account.op_order) == (1, 0, 1)


def test_refund_that_an_event_states_is_not_added_to_what_the_ledger_states() -> None:
    transaction = paying(LEDGER, 1, 2, refund=1)
    [account] = rows_of(whole(LEDGER, transaction)).account_entries
    assert (account.balance, account.refund_unknown, account.tx_order) == (2, False, 1)


def test_refund_is_not_unknown_where_a_transaction_of_the_ledger_is_bad() -> None:
    bad = paying(LEDGER, 2, 5, account=BOB, status="ODD")
    rows = rows_of(whole(LEDGER, paying(LEDGER, 1, 2, refund=1), bad, fees=[AFTER]))
    [account], [item] = rows.account_entries, rows.quarantine
    assert (account.balance, account.refund_unknown) == (3, False)
    assert (item.kind, item.key) == ("transaction", bad.tx_hash)


def test_evicted_entries_are_marked_and_temporary_ones_deleted() -> None:
    kept = data_change("updated", TOKEN, {"symbol": "kept"}, {"u32": 1})
    lost = data_change("updated", TOKEN, {"symbol": "lost"}, {"u32": 2}, "temporary")
    code = code_change("updated", b"wasm", WASM_HASH)
    ttl = ttl_change(bytes.fromhex("ab" * 32), None)
    lives = [ttl_change(one.key_hash, 2000) for one in (kept, lost, code)]
    rows = rows_of(
        whole(
            upgrades=[[kept, lost, code, *lives]],
            evicted=[one.key_xdr for one in (ttl, kept, lost, code)],
        )
    )
    assert rows.headers[LEDGER].upgrades == '[{"version":23}]'
    keys = [{one.type: one.read().key} for one in (kept, lost, code)]
    assert json.loads(rows.headers[LEDGER].evicted_keys) == keys
    position = (LEDGER, MAX_TX + 2)
    assert {
        (row.key, row.value, row.deleted, row.live_until_ledger, row.evicted)
        for row in rows.contract_data_entries
    } == {
        ('{"symbol":"kept"}', '{"u32":1}', False, None, True),
        ('{"symbol":"lost"}', None, True, None, True),
    }
    for row in rows.contract_data_entries:
        assert (row.ttl_ledger, row.ttl_tx_order) == position
        assert ((row.ledger, row.tx_order) == position) == row.deleted
    [row] = rows.contract_code
    assert (row.code, row.evicted, row.ttl_ledger, row.ttl_tx_order) == (b"wasm", True, *position)


def test_entry_that_lives_again_is_not_evicted() -> None:
    data = data_change("restored", TOKEN, {"symbol": "kept"}, {"u32": 1})
    life = ttl_change(data.key_hash, 3000)
    rows = rows_of(whole(evicted=[data.key_xdr]), whole(LEDGER + 1, upgrades=[[data, life]]))
    [row] = rows.contract_data_entries
    assert (row.evicted, row.live_until_ledger, row.ttl_ledger) == (False, 3000, LEDGER + 1)


def test_evicted_entry_that_was_never_seen_has_a_row_without_a_value() -> None:
    data = data_change("removed", TOKEN, {"symbol": "kept"})
    [row] = rows_of(whole(evicted=[data.key_xdr])).contract_data_entries
    assert (row.value, row.ledger, row.deleted, row.evicted) == (None, None, False, True)


def test_every_ledger_has_its_header_and_close_time() -> None:
    failed = paying(LEDGER, 1, 2)
    rows = rows_of(whole(LEDGER + 1), whole(LEDGER, failed))
    assert rows.is_whole
    assert rows.closed_at == dict.fromkeys((LEDGER, LEDGER + 1), CLOSED)
    amounts = (23, 100, 5_000_000, 7, 10**18)
    hashes = [ledger_hash(number) for number in (LEDGER - 1, LEDGER, LEDGER + 1)]
    assert rows.headers == {
        LEDGER: HeaderRow(hashes[1], hashes[0], *amounts, 1, 0, True),
        LEDGER + 1: HeaderRow(hashes[2], hashes[1], *amounts, 0, 0, True),
    }


def test_missing_ledger_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"ledger 1001 is missing .* 1000-1002"):
        rows_of(whole(LEDGER), whole(LEDGER + 2))


def test_ledger_that_comes_twice_is_refused() -> None:
    with pytest.raises(DecodeError, match="ledger 1000 of object was delivered before"):
        rows_of(whole(), whole())


def test_ledger_that_does_not_follow_the_one_before_is_refused() -> None:
    other = whole(LEDGER + 1, header=header(LEDGER + 1, previous_hash=ledger_hash(7)))
    with pytest.raises(LedgerProofError) as caught:
        rows_of(other, whole(LEDGER))
    error = caught.value
    assert (error.ledger, error.check, error.origin) == (LEDGER + 1, "previous hash", "object")


def test_ledger_with_another_hash_than_the_anchor_is_refused() -> None:
    assert rows_of(whole(), anchor=(LEDGER, ledger_hash(LEDGER))).is_whole
    assert rows_of(whole(), anchor=(LEDGER + 1, "ff" * 32)).is_whole
    with pytest.raises(LedgerProofError, match="trusted anchor") as caught:
        rows_of(whole(), anchor=(LEDGER, "ff" * 32))
    assert (caught.value.ledger, caught.value.check) == (LEDGER, "anchor")


def test_change_outside_of_transactions_that_has_no_row_fails_the_batch() -> None:
    with pytest.raises(DecodeError, match="no entry for the time to live"):
        rows_of(whole(upgrades=[[ttl_change(bytes.fromhex("ab" * 32), 5)]]))
