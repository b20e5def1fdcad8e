"""Whole ledgers of any content are walked to their end, and read as stellar-sdk reads them.

They are drawn, so no hash in them is right: this is about the reader alone.
"""

from collections import Counter
from typing import Any

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.contract_events import ContractEvent
from sorobanflow.decode.meta_events import STAGES, MetaEvents
from sorobanflow.decode.raw_ledgers import RawLedger, raw_ledger_reader
from sorobanflow.decode.tx_sets import TxSet
from tests.integration.ledger_draft import hash_of, hash_of_set
from tests.integration.ledger_oracle import (
    envelopes_of,
    fees_of,
    header_of,
    operation_events,
    upgrade_of,
)
from tests.unit.envelope_hash import sdk_hash
from tests.unit.random_xdr import draw

NETWORK = b"n" * 32
#: Members of enums that have to be drawn: all of these, and the forms of envelopes.
WANTED = [
    f"{kind.__name__}.{member.name}"
    for kind in (
        *(xdr.StellarValueType, xdr.LedgerUpgradeType, xdr.SCPStatementType),
        *(xdr.LedgerEntryChangeType, xdr.TransactionEventStage),
    )
    for member in kind
] + [f"EnvelopeType.ENVELOPE_TYPE_{name}" for name in ("TX_V0", "TX", "TX_FEE_BUMP")]
EVICTED = [
    *(xdr.LedgerEntryType.CONTRACT_DATA, xdr.LedgerEntryType.CONTRACT_CODE),
    xdr.LedgerEntryType.TTL,
]


def drawn_ledger(seed: int, drawn: Counter[str]) -> xdr.LedgerCloseMeta:
    """Draw a ledger, with a number and a time that a ledger can have."""
    meta = draw(xdr.LedgerCloseMeta, seed, drawn)
    header = body_of(meta).ledger_header.header
    header.ledger_seq = xdr.Uint32(seed + 1)
    header.scp_value.close_time = xdr.TimePoint(xdr.Uint64(seed))
    return meta


def body_of(meta: xdr.LedgerCloseMeta) -> Any:
    return meta.v0 or meta.v1 or meta.v2


@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=pytest.mark.long)])
def test_drawn_ledgers_read_as_stellar_sdk_reads_them(count: int) -> None:
    drawn, forms = Counter[str](), set()
    for seed in range(count):
        meta = drawn_ledger(seed, drawn)
        raw, _ = raw_ledger_reader(NETWORK)(meta.to_xdr_bytes(), 0)
        check_tx_set(raw.tx_set, meta)
        check_parts(raw, body_of(meta))
        forms |= {(meta.v, one.tx_apply_processing.v) for one in body_of(meta).tx_processing}
    assert forms == {(version, meta) for version in range(3) for meta in range(5)}
    assert [name for name in WANTED if name not in drawn] == []


def check_tx_set(tx_set: TxSet, meta: xdr.LedgerCloseMeta) -> None:
    stated = body_of(meta).tx_set
    envelopes = [*envelopes_of(stated)]
    assert [one.hash.hex() for one in tx_set.envelopes] == [
        sdk_hash(envelope, NETWORK) for envelope in envelopes
    ]
    assert [one.xdr for one in tx_set.envelopes] == [one.to_xdr_bytes() for one in envelopes]
    set_hash = hash_of_set(stated) if meta.v0 else hash_of(stated)
    assert tx_set.hash == set_hash.hash.hex()


def check_parts(raw: RawLedger, body: Any) -> None:
    assert raw.stated.header == header_of(body.ledger_header)
    assert raw.stated.xdr == body.ledger_header.header.to_xdr_bytes()
    for number, (applied, stated) in enumerate(
        zip(raw.applied, body.tx_processing, strict=True), 1
    ):
        assert applied.hash + applied.result == stated.result.to_xdr_bytes()
        assert applied.meta == stated.tx_apply_processing.to_xdr_bytes()
        assert applied.fees == fees_of(number, stated)
        check_events(applied.events, stated.tx_apply_processing)
    assert raw.upgrades == [
        upgrade_of(number, one) for number, one in enumerate(body.upgrades_processing, 1)
    ]
    evicted = [key for key in getattr(body, "evicted_keys", []) if key.type in EVICTED]
    assert raw.evicted == [key.to_xdr_bytes() for key in evicted]


def check_events(events: MetaEvents, meta: xdr.TransactionMeta) -> None:
    stated = operation_events(meta)
    assert events.operations == [[*map(event_of, one)] for one in stated]
    staged = meta.v4.events if meta.v4 else []
    for number, stage in enumerate(STAGES):
        wanted = [event_of(one.event) for one in staged if one.stage.value == number]
        assert events.staged.get(stage, []) == wanted
    soroban = (meta.v3 or meta.v4) and (meta.v3 or meta.v4).soroban_meta
    if len(stated) == 1 and soroban and soroban.return_value:
        preimage = xdr.InvokeHostFunctionSuccessPreImage(soroban.return_value, stated[0])
        assert events.call == preimage.to_xdr_bytes()
    else:
        assert events.call is None


def event_of(event: xdr.ContractEvent) -> ContractEvent:
    body, contract = event.body.v0, event.contract_id
    assert body is not None
    return ContractEvent(
        event.type.value,
        contract.contract_id.hash if contract else b"",
        [topic.to_xdr_bytes() for topic in body.topics],
        body.data.to_xdr_bytes(),
    )
