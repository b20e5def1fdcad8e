"""Make changes of ledger entries from hand-written SEP-51 values, for the tests of state."""

import hashlib
from typing import Any

from stellar_sdk import xdr

from sorobanflow.decode.changes import Change, Meta, Refund
from sorobanflow.decode.transactions import DecodedTransaction, decode_transaction
from sorobanflow.rows.entry_rows import state_rows
from sorobanflow.rows.state import State
from sorobanflow.rows.transactions import TransactionRow, transaction_row
from tests.unit.wire_items import make_transaction

PASSPHRASE = "Public Global Stellar Network ; September 2015"
INSTANCE = "ledger_key_contract_instance"
USDC_ISSUER = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"
USDC_ASSET = {"credit_alphanum4": {"asset_code": "USDC", "issuer": USDC_ISSUER}}
USDC_CONTRACT = "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"
NATIVE_CONTRACT = "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA"


def change(kind: str, type_: str, key: Any, entry: Any = None, **fields: Any) -> Change:
    values: dict[str, Any] = {
        "op_order": 1,
        "change_order": 0,
        "key_hash": None,
        "sponsor": None,
        "key_xdr": None,
        "value_xdr": None,
        "before": None,
    }
    return Change(kind=kind, type=type_, key=key, entry=entry, **values | fields)


def account_change(kind: str, account_id: str, entry: Any = None, **fields: Any) -> Change:
    return change(kind, "account", {"account_id": account_id}, entry, **fields)


def account_entry(account_id: str, balance: int, **fields: Any) -> dict[str, Any]:
    entry = {
        "account_id": account_id,
        "balance": str(balance),
        "seq_num": "7",
        "num_sub_entries": 1,
        "inflation_dest": None,
        "flags": 0,
        "home_domain": "",
        "thresholds": "01000203",
        "signers": [],
        "ext": "v0",
    }
    return entry | fields


def trustline_change(kind: str, holder: str, balance: int, flags: int = 1, **fields: Any) -> Change:
    key = {"account_id": holder, "asset": fields.pop("asset", USDC_ASSET)}
    entry = None
    if kind != "removed":
        entry = {**key, "balance": str(balance), "limit": "9", "flags": flags, "ext": "v0"}
    return change(kind, "trustline", key, entry, **fields)


def data_change(
    kind: str,
    contract: str,
    key: Any,
    value: Any = None,
    durability: str = "persistent",
    **fields: Any,
) -> Change:
    body = {"contract": contract, "key": key, "durability": durability}
    entry = None if kind == "removed" else {"ext": "v0", **body, "val": value}
    return change(
        kind,
        "contract_data",
        body,
        entry,
        key_hash=_hash_of(body),
        key_xdr=b"XDR of the key",
        **{"value_xdr": None if entry is None else b"XDR of the value", **fields},
    )


def _hash_of(body: dict[str, Any]) -> str:
    """The hash of a key; any will do where stellar-sdk cannot encode it."""
    try:
        return ledger_key_hash({"contract_data": body})
    except TypeError:  # an absent vec
        return "00" * 32


def code_change(kind: str, code: bytes | None, wasm_hash: str, **fields: Any) -> Change:
    key = {"hash": wasm_hash}
    entry = None if code is None else {"ext": "v0", **key}
    key_hash = ledger_key_hash({"contract_code": key})
    return change(kind, "contract_code", key, entry, key_hash=key_hash, value_xdr=code, **fields)


def ttl_change(key_hash: str, live_until: int | None, **fields: Any) -> Change:
    entry = None
    if live_until is not None:
        entry = {"key_hash": key_hash, "live_until_ledger_seq": live_until}
    kind = "removed" if entry is None else "updated"
    return change(kind, "ttl", {"key_hash": key_hash}, entry, key_hash=key_hash, **fields)


def ledger_key_hash(key: Any) -> str:
    return hashlib.sha256(xdr.LedgerKey.from_json_dict(key).to_xdr_bytes()).hexdigest()


def decoded(
    *changes: Change, refunds: tuple[Refund, ...] = (), envelope: Any = None, **fields: Any
) -> tuple[TransactionRow, DecodedTransaction]:
    """A sound transaction with these changes in its meta."""
    transaction = make_transaction(envelope, **fields)
    values = decode_transaction(transaction)
    values = values._replace(meta=Meta(None, list(changes), list(refunds)))
    return transaction_row(transaction, values), values


def state_of(*changes: Change, **fields: Any) -> State:
    """The state behind one transaction: number 3 of ledger 1000."""
    state = State(PASSPHRASE)
    state.add(state_rows(*decoded(*changes, **fields), PASSPHRASE))
    state.finish()
    return state


def make_meta(*changes: Any, events: tuple[Any, ...] = ()) -> str:
    """A TransactionMeta V4 of one operation with these LedgerEntryChanges (SEP-51)."""
    operation = {"ext": "v0", "changes": list(changes), "events": []}
    meta = {
        "ext": "v0",
        "tx_changes_before": [],
        "operations": [operation],
        "tx_changes_after": [],
        "soroban_meta": None,
        "events": list(events),
        "diagnostic_events": [],
    }
    return xdr.TransactionMeta.from_json_dict({"v4": meta}).to_xdr()


def account_item(account_id: str, balance: int) -> dict[str, Any]:
    """A LedgerEntryChange that leaves an account with a balance."""
    data = {"account": account_entry(account_id, balance)}
    return {"updated": {"last_modified_ledger_seq": 1000, "data": data, "ext": "v0"}}


def refund_event(account_id: str, stroops: int) -> dict[str, Any]:
    """The TransactionEvent of a refund behind all transactions."""
    topics = [{"symbol": "fee"}, {"address": account_id}]
    body = {"v0": {"topics": topics, "data": {"i128": str(-stroops)}}}
    event = {"ext": "v0", "contract_id": "00" * 32, "type": "contract", "body": body}
    return {"stage": "after_all_txs", "event": event}
