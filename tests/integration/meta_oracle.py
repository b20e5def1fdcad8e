"""What a TransactionMeta says, by way of stellar-sdk's objects: the other derivation."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from stellar_sdk import xdr

from sorobanflow.decode.changes import OP_AFTER, OP_BEFORE, Change, Meta, Refund
from sorobanflow.decode.entries import Entry
from tests.integration.sdk_oracle import to_json

Lists = Iterator[tuple[int, list[xdr.LedgerEntryChange]]]
INSTANCE = xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE
KEPT = {
    xdr.LedgerEntryType.ACCOUNT: "account",
    xdr.LedgerEntryType.TRUSTLINE: "trustline",
    xdr.LedgerEntryType.OFFER: "offer",
    xdr.LedgerEntryType.DATA: "data",
    xdr.LedgerEntryType.CLAIMABLE_BALANCE: "claimable_balance",
    xdr.LedgerEntryType.LIQUIDITY_POOL: "liquidity_pool",
    xdr.LedgerEntryType.CONTRACT_DATA: "contract_data",
    xdr.LedgerEntryType.CONTRACT_CODE: "contract_code",
    xdr.LedgerEntryType.TTL: "ttl",
}


def sdk_meta(text: str) -> Meta:
    meta = xdr.TransactionMeta.from_xdr(text)
    body = (None, meta.v1, meta.v2, meta.v3, meta.v4)[meta.v]
    soroban = getattr(body, "soroban_meta", None)
    changes = [change for order, items in change_lists(meta) for change in changes_of(order, items)]
    refunds = [refund for event in getattr(body, "events", []) for refund in refunds_of(event)]
    fees = None if soroban is None else to_json(soroban.ext)
    has_events = meta.v4 is None or len(meta.v4.events) > 0
    value = None if soroban is None else soroban.return_value
    returned = None if value is None else to_json(value)
    return Meta(fees, changes, refunds, has_events, refund_after(meta), returned)


def refund_after(meta: xdr.TransactionMeta) -> int | None:
    """Add up what the changes after the operations give to accounts; those of one are known."""
    if meta.v < 3:
        return 0
    balances: dict[bytes, list[int]] = {}
    for item in (meta.v3 or meta.v4).tx_changes_after.ledger_entry_changes:
        account = (item.state or item.updated).data.account
        balances.setdefault(account.account_id.to_xdr_bytes(), []).append(account.balance.int64)
    if len(balances) > 1:
        return None
    return sum(last - first for first, *_, last in balances.values())


def change_lists(meta: xdr.TransactionMeta) -> Lists:
    if meta.v == 0:
        yield from operation_lists(meta.operations)
    elif meta.v == 1:
        yield OP_BEFORE, meta.v1.tx_changes.ledger_entry_changes
        yield from operation_lists(meta.v1.operations)
    else:
        body = meta.v2 or meta.v3 or meta.v4
        yield OP_BEFORE, body.tx_changes_before.ledger_entry_changes
        yield from operation_lists(body.operations)
        yield OP_AFTER, body.tx_changes_after.ledger_entry_changes


def operation_lists(operations: list[Any]) -> Lists:
    for number, operation in enumerate(operations, 1):
        yield number, operation.changes.ledger_entry_changes


def changes_of(op_order: int, items: list[xdr.LedgerEntryChange]) -> Iterator[Change]:
    for order, item in enumerate(items):
        kind = item.type.name.removeprefix("LEDGER_ENTRY_").lower()
        key = item.removed or key_of(item)
        if kind == "state" or key is None or key.type not in KEPT:
            continue
        before = instance_before(items[:order], key)
        if item.removed and (key.claimable_balance or key.liquidity_pool):
            before = entry_before(items[:order], key)
        yield change_of(op_order, order, kind, key, entry_of(item), before)


def change_of(op_order: int, order: int, kind: str, key: Any, entry: Any, before: Any) -> Change:
    key_xdr = key.to_xdr_bytes()
    key_hash = key.ttl and key.ttl.key_hash.hash
    if key.contract_data or key.contract_code:
        key_hash = sha256(key_xdr).digest()
    entries = [one and one.to_xdr_bytes() for one in (entry, before)]
    return Change(op_order, order, kind, KEPT[key.type], key_xdr, key_hash, *entries)


def sdk_entry(change: Change) -> Entry:
    """Read what a change holds of its entry."""
    key = to_json(xdr.LedgerKey.from_xdr_bytes(change.key_xdr))[change.type]
    if change.entry_xdr is None:
        return Entry(change.type, key)
    entry = xdr.LedgerEntry.from_xdr_bytes(change.entry_xdr)
    body = to_json(entry.data)[change.type]
    code = body.pop("code", None)
    wasm = None if code is None else bytes.fromhex(code)
    return Entry(change.type, key, body, entry.ext.v1 and to_json(entry.ext.v1.sponsoring_id), wasm)


def entry_of(item: xdr.LedgerEntryChange) -> xdr.LedgerEntry | None:
    return item.created or item.updated or item.state or item.restored


def key_of(item: xdr.LedgerEntryChange) -> xdr.LedgerKey | None:
    """The key of an item's entry; None for a setting of the network and for a removal."""
    entry = entry_of(item)
    if entry is None or entry.data.config_setting:
        return None
    name = entry.data.type.name.lower().replace("trustline", "trust_line")
    body = getattr(entry.data, name)
    return xdr.LedgerKey(entry.data.type, **{name: _KEYS[name](body)})


_KEYS: dict[str, Callable[[Any], Any]] = {
    "account": lambda one: xdr.LedgerKeyAccount(one.account_id),
    "trust_line": lambda one: xdr.LedgerKeyTrustLine(one.account_id, one.asset),
    "offer": lambda one: xdr.LedgerKeyOffer(one.seller_id, one.offer_id),
    "data": lambda one: xdr.LedgerKeyData(one.account_id, one.data_name),
    "claimable_balance": lambda one: xdr.LedgerKeyClaimableBalance(one.balance_id),
    "liquidity_pool": lambda one: xdr.LedgerKeyLiquidityPool(one.liquidity_pool_id),
    "contract_data": lambda one: xdr.LedgerKeyContractData(one.contract, one.key, one.durability),
    "contract_code": lambda one: xdr.LedgerKeyContractCode(one.hash),
    "ttl": lambda one: xdr.LedgerKeyTtl(one.key_hash),
}


def instance_before(items: list[xdr.LedgerEntryChange], key: xdr.LedgerKey) -> Any:
    if key.contract_data is None or key.contract_data.key.type is not INSTANCE:
        return None
    for item in reversed(items):
        entry = entry_of(item)
        if entry is not None and key_of(item) == key:
            return entry
    return None


def entry_before(items: list[xdr.LedgerEntryChange], key: xdr.LedgerKey) -> Any:
    states = [item for item in items if item.state]
    if states and key_of(states[-1]) == key:
        return states[-1].state
    return None


def refunds_of(event: xdr.TransactionEvent) -> Iterator[Refund]:
    inner = event.event
    topics = [to_json(topic) for topic in inner.body.v0.topics]
    value = to_json(inner.body.v0.data)
    if (
        event.stage is xdr.TransactionEventStage.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS
        and inner.type is xdr.ContractEventType.CONTRACT
        and len(topics) == 2
        and topics[0] == {"symbol": "fee"}
        and topics[1]["address"].startswith("G")
        and int(value["i128"]) < 0
    ):
        yield Refund(topics[1]["address"], -int(value["i128"]))
