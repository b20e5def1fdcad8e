"""What a recording holds, counted from its XDR with stellar-sdk alone."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

from stellar_sdk import xdr


def recorded_transactions(path: Path) -> list[dict[str, Any]]:
    """All transactions of a recording, each with its ledger."""
    with gzip.open(path, "rt") as lines:
        next(lines)
        ledgers = [json.loads(line) for line in lines]
    return [
        transaction | {"ledger": ledger["ledger"]}
        for ledger in ledgers
        for transaction in ledger["transactions"]
    ]


def count_facts(path: Path) -> Counter[str]:
    """Transactions, failed ones, operations and events in a recording."""
    facts: Counter[str] = Counter()
    for transaction in recorded_transactions(path):
        facts["transactions"] += 1
        facts["failed"] += transaction["status"] == "FAILED"
        facts["operations"] += _operations(transaction["envelope_xdr"])
        facts["events"] += _events(transaction["result_meta_xdr"])
    return facts


def _operations(envelope_xdr: str) -> int:
    envelope = xdr.TransactionEnvelope.from_xdr(envelope_xdr)
    if envelope.fee_bump is not None:
        inner = envelope.fee_bump.tx.inner_tx.v1
        assert inner is not None
        return len(inner.tx.operations)
    signed = envelope.v1 or envelope.v0
    assert signed is not None
    return len(signed.tx.operations)


def _events(meta_xdr: str) -> int:
    meta = xdr.TransactionMeta.from_xdr(meta_xdr)
    if meta.v4 is not None:
        return len(meta.v4.events) + sum(len(one.events) for one in meta.v4.operations)
    if meta.v3 is not None and meta.v3.soroban_meta is not None:
        return len(meta.v3.soroban_meta.events)
    return 0
