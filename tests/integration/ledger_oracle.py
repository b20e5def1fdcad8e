"""What a LedgerCloseMeta says, by way of stellar-sdk's objects: the other derivation."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from stellar_sdk import StrKey, xdr

from sorobanflow.decode.changes import Change
from sorobanflow.decode.close_meta import CloseMeta, FeeChanges, Header, Upgrade
from sorobanflow.decode.transactions import decode_transaction, network_id
from sorobanflow.sources.items import Event, Transaction
from tests.integration.meta_oracle import changes_of
from tests.integration.sdk_oracle import to_json
from tests.unit.envelope_hash import sdk_hash

FEE_BUMP = xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP
CODES = xdr.TransactionResultCode
SUCCESSES = (CODES.txSUCCESS, CODES.txFEE_BUMP_INNER_SUCCESS)
#: By TransactionEventStage: the transaction and the operation of an event's id; None: its own.
STAGES = [(0, 0), (None, 4095), (1048575, 0)]
Applied = tuple[Transaction, xdr.TransactionMeta]


def sdk_ledger(data: bytes, passphrase: str) -> CloseMeta:
    """Read a ledger that is known to be right."""
    meta, network = xdr.LedgerCloseMeta.from_xdr_bytes(data), network_id(passphrase)
    body: Any = meta.v0 or meta.v1 or meta.v2
    header = header_of(body.ledger_header)
    envelopes = {sdk_hash(each, network): each for each in envelopes_of(body.tx_set)}
    applied = [
        (transaction_of(header, number, one, envelopes), one.tx_apply_processing)
        for number, one in enumerate(body.tx_processing, 1)
    ]
    return CloseMeta(
        header,
        [transaction for transaction, _ in applied],
        sorted(events_of(applied), key=lambda event: event.id),
        [fees_of(number, one) for number, one in enumerate(body.tx_processing, 1)],
        [upgrade_of(number, one) for number, one in enumerate(body.upgrades_processing, 1)],
        [key.to_xdr_bytes() for key in getattr(body, "evicted_keys", [])],
        [decode_transaction(transaction) for transaction, _ in applied],  # as of a node
    )


def header_of(entry: xdr.LedgerHeaderHistoryEntry) -> Header:
    header = entry.header
    return Header(
        sequence=header.ledger_seq.uint32,
        hash=entry.hash.hash.hex(),
        previous_hash=header.previous_ledger_hash.hash.hex(),
        protocol=header.ledger_version.uint32,
        closed_at=header.scp_value.close_time.time_point.uint64,
        base_fee=header.base_fee.uint32,
        base_reserve=header.base_reserve.uint32,
        fee_pool=header.fee_pool.int64,
        total_coins=header.total_coins.int64,
    )


def envelopes_of(tx_set: Any) -> Iterator[xdr.TransactionEnvelope]:
    if isinstance(tx_set, xdr.TransactionSet):
        yield from tx_set.txs
        return
    for phase in tx_set.v1_tx_set.phases:
        for component in phase.v0_components or []:
            yield from component.txs_maybe_discounted_fee.txs
        if phase.parallel_txs_component:
            for stage in phase.parallel_txs_component.execution_stages:
                for cluster in stage.parallel_tx_execution_stage:
                    yield from cluster.dependent_tx_cluster


def transaction_of(
    header: Header, number: int, one: Any, envelopes: dict[str, xdr.TransactionEnvelope]
) -> Transaction:
    pair = one.result
    tx_hash = pair.transaction_hash.hash.hex()
    return Transaction(
        tx_hash=tx_hash,
        status="SUCCESS" if pair.result.result.code in SUCCESSES else "FAILED",
        ledger=header.sequence,
        application_order=number,
        fee_bump=envelopes[tx_hash].type is FEE_BUMP,
        created_at=header.closed_at,
        envelope_xdr=envelopes[tx_hash].to_xdr_bytes(),
        result_xdr=pair.result.to_xdr_bytes(),
        result_meta_xdr=one.tx_apply_processing.to_xdr_bytes(),
    )


def events_of(applied: list[Applied]) -> Iterator[Event]:
    numbers = [0, 0, 0]
    for transaction, meta in applied:
        order = transaction.application_order
        for op, events in enumerate(operation_events(meta)):
            for number, event in enumerate(events):
                yield event_of(transaction, (order, op, number), event)
        numbers[1] = 0
        for staged in meta.v4.events if meta.v4 else []:
            tx, op = STAGES[staged.stage.value]
            place = order if tx is None else tx, op, numbers[staged.stage.value]
            yield event_of(transaction, place, staged.event)
            numbers[staged.stage.value] += 1


def operation_events(meta: xdr.TransactionMeta) -> list[list[xdr.ContractEvent]]:
    if meta.v4:
        return [operation.events for operation in meta.v4.operations]
    return [meta.v3.soroban_meta.events] if meta.v3 and meta.v3.soroban_meta else []


def event_of(transaction: Transaction, place: tuple[int, int, int], event: Any) -> Event:
    tx, op, number = place
    body, contract = event.body.v0, event.contract_id
    closed_at = datetime.fromtimestamp(transaction.created_at, UTC)
    return Event(
        id=f"{transaction.ledger << 32 | tx << 12 | op:019}-{number:010}",
        type=event.type.name.lower(),
        ledger=transaction.ledger,
        ledger_closed_at=closed_at.isoformat().replace("+00:00", "Z"),
        tx_hash=transaction.tx_hash,
        value=body.data.to_xdr_bytes(),
        contract_id=StrKey.encode_contract(contract.contract_id.hash) if contract else "",
        topic=[topic.to_xdr_bytes() for topic in body.topics] or None,
        in_successful_contract_call=transaction.status == "SUCCESS",
    )


def fees_of(number: int, one: Any) -> FeeChanges:
    after = getattr(one, "post_tx_apply_fee_processing", None)
    before = changes(number, one.fee_processing)
    lost, refunded = gain_of(one.fee_processing), gain_of(after) if after else 0
    charged = -lost if lost else None
    return FeeChanges(before, changes(number, after) if after else [], charged, refunded)


def gain_of(items: xdr.LedgerEntryChanges) -> int | None:
    """Tell what an account has after changes more than before; None if they are not of one."""
    if not items.ledger_entry_changes:
        return 0
    first, *rest = items.ledger_entry_changes
    if first.state is None or first.state.data.account is None:
        return None
    account = first.state.data.account
    told = [to_json(one) for one in rest if one.state is None]
    told = [one for one in told if "config_setting" not in str(one)]
    if not told or any(_account_of(one) != account.account_id.to_json_dict() for one in told):
        return None
    (last,) = told[-1].values()
    return (
        int(last["data"]["account"]["balance"]) - account.balance.int64 if "data" in last else None
    )


def _account_of(change: Any) -> str | None:
    """Name the account that a change, in SEP-51 form, is of; None if it is of another entry."""
    (entry,) = change.values()
    account = entry.get("data", entry).get("account")
    return account["account_id"] if account else None


def upgrade_of(number: int, one: xdr.UpgradeEntryMeta) -> Upgrade:
    return Upgrade(to_json(one.upgrade), changes(number, one.changes))


def changes(number: int, items: xdr.LedgerEntryChanges) -> list[Change]:
    return [*changes_of(number, items.ledger_entry_changes)]
