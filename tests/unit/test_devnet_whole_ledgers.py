"""Whole ledgers of the devnet: hashes that hold, fees that fit the metas, none of recordings."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import FeeBumpTransactionEnvelope, TransactionEnvelope, xdr

from sorobanflow.devnet import Chain, ListedLedgers, Recording
from sorobanflow.devnet.jsonrpc import RpcError
from sorobanflow.devnet.meta import AFTER_ALL_TXS, BEFORE_ALL_TXS
from sorobanflow.devnet.node import Node
from sorobanflow.devnet.supply import NoWholeLedgersError
from tests.ledgers import generated

GENERATED = generated(transactions_per_ledger=5)
LEDGERS = range(1, 9)
#: A ledger in which one account has two refunds after all transactions.
REFUNDED_TWICE = 11


@pytest.fixture(scope="module")
def whole() -> dict[int, xdr.LedgerCloseMetaV2]:
    read = {}
    for sequence in LEDGERS:
        data = GENERATED.close_meta(sequence)
        meta = xdr.LedgerCloseMeta.from_xdr_bytes(data)
        assert meta.to_xdr_bytes() == data
        assert meta.v2 is not None
        read[sequence] = meta.v2
    return read


def digest(value: Any) -> bytes:
    return sha256(value.to_xdr_bytes()).digest()


def envelopes(whole: xdr.LedgerCloseMetaV2) -> Iterator[xdr.TransactionEnvelope]:
    assert whole.tx_set.v1_tx_set is not None
    for phase in whole.tx_set.v1_tx_set.phases:
        for component in phase.v0_components or ():
            yield from component.txs_maybe_discounted_fee.txs
        for stage in phase.parallel_txs_component.execution_stages if phase.v else ():
            for cluster in stage.parallel_tx_execution_stage:
                yield from cluster.dependent_tx_cluster


def tx_hash(envelope: xdr.TransactionEnvelope) -> str:
    bumped = envelope.type == xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP
    kind = FeeBumpTransactionEnvelope if bumped else TransactionEnvelope
    return kind.from_xdr(envelope.to_xdr(), GENERATED.network.passphrase).hash_hex()


def test_hashes_of_generated_ledgers_are_true(whole: dict[int, xdr.LedgerCloseMetaV2]) -> None:
    previous = None
    for sequence, meta in whole.items():
        entry = meta.ledger_header
        assert entry.header.ledger_seq.uint32 == sequence
        assert entry.hash.hash == digest(entry.header)
        assert previous in (None, entry.header.previous_ledger_hash.hash)
        previous = entry.hash.hash
        assert entry.header.scp_value.tx_set_hash.hash == digest(meta.tx_set)
        results = xdr.TransactionResultSet([each.result for each in meta.tx_processing])
        assert entry.header.tx_set_result_hash.hash == digest(results)


def test_generated_ledgers_hold_the_nodes_transactions(
    whole: dict[int, xdr.LedgerCloseMetaV2],
) -> None:
    for sequence, meta in whole.items():
        transactions = GENERATED.ledger(sequence).transactions
        in_set = {tx_hash(envelope): envelope.to_xdr() for envelope in envelopes(meta)}
        assert in_set == {each.hash: each.envelope_xdr for each in transactions}
        applied = [
            (
                each.result.transaction_hash.hash.hex(),
                each.result.result.to_xdr(),
                each.tx_apply_processing.to_xdr(),
            )
            for each in meta.tx_processing
        ]
        assert applied == [
            (each.hash, each.result_xdr, each.result_meta_xdr) for each in transactions
        ]


def test_successful_calls_have_the_hash_of_their_events_and_value() -> None:
    calls = 0
    for transaction in GENERATED.ledger(2).transactions + GENERATED.ledger(3).transactions:
        meta = xdr.TransactionMeta.from_xdr(transaction.result_meta_xdr).v4
        outcome = xdr.TransactionResult.from_xdr(transaction.result_xdr).result
        pair = outcome.inner_result_pair
        results = pair.result.result.results if pair else outcome.results
        result = results[0].tr.invoke_host_function_result
        if result is None or result.success is None or not transaction.successful:
            continue
        made = xdr.InvokeHostFunctionSuccessPreImage(
            meta.soroban_meta.return_value, meta.operations[0].events
        )
        assert result.success.hash == digest(made)
        calls += 1
    assert calls >= 3


def accounts(changes: xdr.LedgerEntryChanges) -> list[tuple[bytes, int]]:
    """Account and balance of each change's entry; nothing of entries of other kinds."""
    entries = [
        each.state or each.created or each.updated or each.restored
        for each in changes.ledger_entry_changes
    ]
    found = [entry.data.account for entry in entries if entry and entry.data.account]
    return [(each.account_id.to_xdr_bytes(), each.balance.int64) for each in found]


def all_changes(meta: xdr.TransactionMetaV4) -> Iterator[xdr.LedgerEntryChanges]:
    yield meta.tx_changes_before
    yield from (operation.changes for operation in meta.operations)
    yield meta.tx_changes_after


def amounts(sequence: int, order: int) -> dict[int, int]:
    """The amounts of a transaction's fee events, by their stage."""
    staged = GENERATED.ledger(sequence).transactions[order].events.staged
    return {each.stage: int.from_bytes(each.event.value[4:], signed=True) for each in staged}


def test_fees_and_refunds_lead_from_and_to_the_balances_of_the_metas(
    whole: dict[int, xdr.LedgerCloseMetaV2],
) -> None:
    refunded = 0
    twice = xdr.LedgerCloseMeta.from_xdr_bytes(GENERATED.close_meta(REFUNDED_TWICE)).v2
    for sequence, meta in [*whole.items(), (REFUNDED_TWICE, twice)]:
        last: dict[bytes, int] = {}
        for order, each in enumerate(meta.tx_processing):
            (payer, before), (_, after) = accounts(each.fee_processing)
            assert before - after == amounts(sequence, order)[BEFORE_ALL_TXS]
            assert accounts(each.tx_apply_processing.v4.tx_changes_before)[0] == (payer, after)
            for changes in all_changes(each.tx_apply_processing.v4):
                last.update(accounts(changes))
        for order, each in enumerate(meta.tx_processing):
            refund = -amounts(sequence, order).get(AFTER_ALL_TXS, 0)
            if not refund:
                assert accounts(each.post_tx_apply_fee_processing) == []
                continue
            payer = accounts(each.fee_processing)[0][0]
            expected = [(payer, last[payer]), (payer, last[payer] + refund)]
            assert accounts(each.post_tx_apply_fee_processing) == expected
            last[payer] += refund
            refunded += 1
    assert refunded >= 3


def test_fee_pool_grows_by_what_was_charged(whole: dict[int, xdr.LedgerCloseMetaV2]) -> None:
    pool = 0
    for meta in whole.values():
        pool += sum(each.result.result.fee_charged.int64 for each in meta.tx_processing)
        assert meta.ledger_header.header.fee_pool.int64 == pool


def test_eight_ledgers_hold_every_form(whole: dict[int, xdr.LedgerCloseMetaV2]) -> None:
    values = [meta.ledger_header.header.scp_value for meta in whole.values()]
    assert {value.ext.v for value in values} == {
        xdr.StellarValueType.STELLAR_VALUE_BASIC,
        xdr.StellarValueType.STELLAR_VALUE_SIGNED,
    }
    assert {meta.tx_set.v1_tx_set.phases[1].v for meta in whole.values()} == {0, 1}
    assert {meta.ext.v for meta in whole.values()} == {0, 1}
    upgraded = {sequence for sequence, meta in whole.items() if meta.upgrades_processing}
    assert upgraded == {3}
    for sequence, meta in whole.items():
        voted = [each.upgrade.to_xdr_bytes() for each in meta.upgrades_processing]
        stated = meta.ledger_header.header.scp_value.upgrades
        assert [each.upgrade_type for each in stated] == voted
        assert meta.ledger_header.header.base_fee.uint32 == (103 if sequence >= 3 else 100)
    kinds = [key.type.name for meta in whole.values() for key in meta.evicted_keys]
    assert kinds == ["CONTRACT_DATA", "TTL"]


def test_whole_ledgers_do_not_depend_on_the_order_of_asking() -> None:
    source = generated(transactions_per_ledger=1)
    forth, back = (
        ListedLedgers(map(source.ledger, range(1, 7)), 1, 6, source.network) for _ in range(2)
    )
    ascending = {sequence: forth.close_meta(sequence) for sequence in (1, 2, 3, 4, 5, 6)}
    assert {sequence: back.close_meta(sequence) for sequence in (4, 2, 6, 1, 5, 3)} == ascending


def test_empty_ledger_is_whole() -> None:
    supply = ListedLedgers([], 1, 2, GENERATED.network)
    meta = xdr.LedgerCloseMeta.from_xdr_bytes(supply.close_meta(2)).v2
    assert meta is not None
    assert meta.tx_processing == []
    assert meta.ledger_header.hash.hash == digest(meta.ledger_header.header)


def test_recording_has_no_whole_ledgers(recording_path: Callable[[str], Path]) -> None:
    chain = Chain(Recording(recording_path("pubnet-63092990")))
    with pytest.raises(NoWholeLedgersError, match="pubnet-63092990"):
        chain.close_meta(63092990)
    with pytest.raises(RpcError, match="method not found"):
        Node(chain).call("getLedgers", {"startLedger": 63092990})
