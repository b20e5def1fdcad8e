"""Real transactions, thousands of them, become rows without a quarantine row."""

import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import StrKey, xdr

from sorobanflow.decode.codes import OPERATION_TYPES
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.rows.trades import TradeRow
from sorobanflow.sources.items import Transaction

Corpus = Callable[[str], list[dict[str, Any]]]
SUCCESS = {"txsuccess", "txfee_bump_inner_success"}


def wrap(row: dict[str, Any], order: int = 1) -> Transaction:
    """A corpus row has no place in a ledger and no status: give it one."""
    result = xdr.TransactionResult.from_xdr(row["result_xdr"]).result.code.to_json_dict()
    return Transaction(
        tx_hash=row["hash"],
        status="SUCCESS" if result in SUCCESS else "FAILED",
        ledger=1,
        application_order=order,
        fee_bump=False,
        created_at=0,
        envelope_xdr=b64decode(row["envelope_xdr"]),
        result_xdr=b64decode(row["result_xdr"]),
        result_meta_xdr=b64decode(row["result_meta_xdr"]),
    )


def batch_of(rows: list[dict[str, Any]], passphrase: str) -> BatchRows:
    orders = {row["hash"]: order for order, row in enumerate(rows, 1)}  # some come twice
    items = [wrap(row, orders[row["hash"]]) for row in rows]
    return make_rows(LedgerRange(1, 1), [], items, passphrase)


def test_every_transaction_of_the_core_tests_becomes_rows(corpus: Corpus) -> None:
    header, *rows = corpus("core-tests")
    batch = batch_of(rows, header["passphrase"])
    assert batch.quarantine == []
    assert len(batch.transactions) == len({row["hash"] for row in rows}) == 1806
    codes = Counter(row.result_code for row in batch.transactions)
    assert codes["tx_fee_bump_inner_success"] == 12
    assert codes["tx_fee_bump_inner_failed"] == 7
    assert codes["tx_bad_sponsorship"] == 1
    types = Counter(OPERATION_TYPES[row.type] for row in batch.operations)
    assert (types["extend_footprint_ttl"], types["restore_footprint"]) == (37, 27)
    assert types["end_sponsoring_future_reserves"] == 9
    absent = [row for row in batch.operations if '{"vec":null}' in row.details]
    absent += [row for row in batch.operations if '{"map":null}' in row.details]
    assert len(absent) == 9
    assert sum(row.refund_unknown for row in batch.account_entries) == 32  # without fee events


def test_every_effects_case_becomes_rows(corpus: Corpus) -> None:
    header, *rows = corpus("effects-cases")
    for network, passphrase in header["passphrases"].items():
        of_network = [row for row in rows if row["network"] == network]
        assert of_network
        assert batch_of(of_network, passphrase).quarantine == []


@pytest.mark.parametrize(
    ("name", "operations", "trades"),
    [
        ("pubnet-30822015", 2085, 5),
        ("pubnet-51000294", 878, 194),
        ("pubnet-63092990", 686, 59),
        ("pubnet-63800060", 239, 17),
    ],
)
def test_every_recorded_transaction_becomes_rows(
    recording_path: Callable[[str], Path], name: str, operations: int, trades: int
) -> None:
    with gzip.open(recording_path(name), "rt") as lines:
        header, *ledgers = [json.loads(line) for line in lines]
    transactions = [transaction for ledger in ledgers for transaction in ledger["transactions"]]
    batch = batch_of(transactions, header["passphrase"])
    assert batch.quarantine == []
    assert len(batch.transactions) == header["transactions"]
    assert len(batch.operations) == operations
    claimed = [atom for item in transactions for atom in claims(item)]
    assert sorted(map(claim, batch.trades)) == sorted(claimed)
    assert len(claimed) == trades
    for row in batch.transactions:
        if row.soroban_resource_fee is None:
            assert row.inclusion_fee_charged is None
            continue
        assert row.inclusion_fee_charged is not None
        resources = row.soroban_resource_fee - (row.resource_fee_refund or 0)
        assert row.inclusion_fee_charged + resources == row.fee_charged


def claim(row: TradeRow) -> tuple[Any, ...]:
    """The numbers of a trade, and where it is from."""
    source = row.pool_id or f"{row.seller} {row.offer_id}"
    return (
        row.tx_hash.hex(),
        row.op_index,
        row.trade_index,
        source,
        row.sold_amount,
        row.bought_amount,
    )


def claims(transaction: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The claim atoms of a transaction that was applied, by way of stellar-sdk."""
    result = xdr.TransactionResult.from_xdr(transaction["result_xdr"]).result
    if result.inner_result_pair:
        result = result.inner_result_pair.result.result
    if result.code != xdr.TransactionResultCode.txSUCCESS:
        return
    for index, operation in enumerate(result.results):
        for number, atom in enumerate(atoms_of(operation.tr)):
            body = atom.v0 or atom.order_book or atom.liquidity_pool
            sold, bought = body.amount_sold.int64, body.amount_bought.int64
            yield transaction["hash"], index, number, source_of(body), sold, bought


def atoms_of(result: xdr.OperationResultTr) -> list[xdr.ClaimAtom]:
    for value in vars(result).values():
        success = getattr(value, "success", None)
        for name in ("offers", "offers_claimed"):
            if hasattr(success, name):
                return list(getattr(success, name))
    return []


def source_of(atom: Any) -> str:
    if isinstance(atom, xdr.ClaimLiquidityAtom):
        return StrKey.encode_liquidity_pool(atom.liquidity_pool_id.pool_id.hash)
    old = isinstance(atom, xdr.ClaimOfferAtomV0)
    key = atom.seller_ed25519 if old else atom.seller_id.account_id.ed25519
    return f"{StrKey.encode_ed25519_public_key(key.uint256)} {atom.offer_id.int64}"


@pytest.mark.parametrize(("name", "calls"), [("pubnet-51000294", 11), ("pubnet-63092990", 40)])
def test_every_recorded_call_has_a_row(
    recording_path: Callable[[str], Path], name: str, calls: int
) -> None:
    with gzip.open(recording_path(name), "rt") as lines:
        header, ledger = [json.loads(line) for line in lines]
    items = [wrap(one, order) for order, one in enumerate(ledger["transactions"], 1)]
    rows = make_rows(LedgerRange(1, 1), [], items, header["passphrase"], with_calls=True)
    told = Counter(one for item in items for one in diagnostics_of(item))
    assert told["fn_call"] == len(rows.contract_calls) == calls
    assert told["fn_return"] == sum(row.returned for row in rows.contract_calls)
    assert told["core_metrics"] == sum(
        len(json.loads(row.core_metrics)) for row in rows.contract_calls if row.core_metrics
    )
    successful = {row.hash for row in rows.transactions if row.successful}
    assert all(row.returned for row in rows.contract_calls if row.tx_hash in successful)
    [outer] = [row for row in rows.contract_calls if row.function in ("swap_routed", "swap")][:1]
    inner = {row.parent_index for row in rows.contract_calls if row.tx_hash == outer.tx_hash}
    assert {None, outer.call_index} < inner  # two levels of calls below it
    returned = {row.hash: row.return_value for row in rows.transactions}
    assert (outer.depth, outer.result) == (0, returned[outer.tx_hash])


def diagnostics_of(item: Transaction) -> Iterator[str]:
    """The names of a transaction's diagnostic events, by way of stellar-sdk."""
    meta = xdr.TransactionMeta.from_xdr_bytes(item.result_meta_xdr).v4
    for one in meta.diagnostic_events if meta and meta.soroban_meta else []:
        body = one.event.body.v0
        if one.event.type == xdr.ContractEventType.DIAGNOSTIC:
            yield body.topics[0].sym.sc_symbol.decode()


def test_a_soroban_fee_bump_of_pubnet(recording_path: Callable[[str], Path]) -> None:
    with gzip.open(recording_path("pubnet-63092990"), "rt") as lines:
        header, ledger = [json.loads(line) for line in lines]
    wanted = "f610f4abd0a2a7fa4aad6d252df41299ccaea0d2cbcb9782f04ae9df58004335"
    [transaction] = [item for item in ledger["transactions"] if item["hash"] == wanted]
    [row] = batch_of([transaction], header["passphrase"]).transactions
    assert row.source_account == "GCJ3O4WHHBAIHBTZU2XL2AENORDK7JLRBKM5COLQI5DXZ6VJKACORXY3"
    assert row.fee_account == "GA2JRQOF6EA3HQWDCEDBPPMLYPJCFLDDGYZLEQGMS5SOBQIB3BAFHVAW"
    assert (row.fee_bid, row.inner_fee_bid, row.soroban_resource_fee) == (288791, 288590, 288590)
    assert (row.fee_charged, row.non_refundable_fee_charged) == (14744, 14544)
    assert (row.refundable_fee_charged, row.rent_fee_charged) == (0, 0)
    assert row.inner_hash is not None
    assert (
        row.inner_hash.hex() == "18a0c36c1aafb87a58f65a1b7221d6b47f09bbd262080c555e7d63db22b002b8"
    )
    assert (row.result_code, row.inner_result_code) == ("tx_fee_bump_inner_failed", "tx_failed")
    assert (row.sequence, row.min_time, row.max_time) == (267786486441590056, 0, 0)
