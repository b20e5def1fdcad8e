"""Transactions as stellar-sdk's objects, of recordings and of whole ledgers: where truth begins."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stellar_sdk import xdr

from sorobanflow.sources.items import Transaction
from tests.integration.ledger_oracle import envelopes_of
from tests.unit.envelope_hash import sdk_hash

CODES = xdr.TransactionResultCode


class Applied(NamedTuple):
    """A transaction, and what its ledger says of it."""

    ledger: int
    order: int  # of application, from 1
    hash: str
    envelope: xdr.TransactionEnvelope
    result: xdr.TransactionResult
    meta: xdr.TransactionMeta
    fees: Any = None  # TransactionResultMeta, of a whole ledger only

    @property
    def inner(self) -> Any:
        """The Transaction that holds the operations, or a TransactionV0."""
        outer = self.envelope
        wrapped = outer.fee_bump.tx.inner_tx.v1 if outer.fee_bump else outer.v0 or outer.v1
        assert wrapped is not None
        return wrapped.tx

    @property
    def successful(self) -> bool:
        """Whether it was applied."""
        code = self.result.result.code
        return code in (CODES.txSUCCESS, CODES.txFEE_BUMP_INNER_SUCCESS)

    @property
    def operation_results(self) -> list[xdr.OperationResult]:
        """The results of its operations; none where it was not tried."""
        body: Any = self.result.result
        if body.inner_result_pair:
            body = body.inner_result_pair.result.result
        return body.results or []


def applied_of(item: Transaction) -> Applied:
    """Unpack a transaction as a node gives it."""
    return Applied(
        item.ledger,
        item.application_order,
        item.tx_hash,
        xdr.TransactionEnvelope.from_xdr_bytes(item.envelope_xdr),
        xdr.TransactionResult.from_xdr_bytes(item.result_xdr),
        xdr.TransactionMeta.from_xdr_bytes(item.result_meta_xdr),
    )


def recorded_transactions(path: Path) -> Iterator[Applied]:
    """Read the transactions of a recording in the order of their ledgers."""
    with gzip.open(path, "rt") as lines:
        next(lines)
        for line in lines:
            row = json.loads(line)
            for one in sorted(row["transactions"], key=lambda one: one["application_order"]):
                yield Applied(
                    row["ledger"],
                    one["application_order"],
                    one["hash"],
                    xdr.TransactionEnvelope.from_xdr(one["envelope_xdr"]),
                    xdr.TransactionResult.from_xdr(one["result_xdr"]),
                    xdr.TransactionMeta.from_xdr(one["result_meta_xdr"]),
                )


def applied_transactions(meta: xdr.LedgerCloseMeta, network: bytes) -> Iterator[Applied]:
    """Give the transactions of a ledger in the order of application."""
    body: Any = meta.v0 or meta.v1 or meta.v2
    envelopes = {sdk_hash(one, network): one for one in envelopes_of(body.tx_set)}
    ledger = body.ledger_header.header.ledger_seq.uint32
    for order, one in enumerate(body.tx_processing, 1):
        name = one.result.transaction_hash.hash.hex()
        result, applied = one.result.result, one.tx_apply_processing
        yield Applied(ledger, order, name, envelopes[name], result, applied, one)
