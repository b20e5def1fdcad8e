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


def change(
    kind: str,
    type_: str,
    key: Any,
    entry: Any = None,
    *,
    op_order: int = 1,
    change_order: int = 0,
    sponsor: str | None = None,
    before: Any = None,
) -> Change:
    """Make a change of SEP-51 values: the bodies of a key, and of an entry after and before it."""
    key_xdr = to_xdr(xdr.LedgerKey, {type_: key})
    entry_xdr, before_xdr = (
        None if one is None else _entry_xdr(type_, one, sponsor) for one in (entry, before)
    )
    key_hash = bytes.fromhex(key["key_hash"]) if type_ == "ttl" else None
    if type_ in ("contract_data", "contract_code"):
        key_hash = hashlib.sha256(key_xdr).digest()
    place = op_order, change_order
    return Change(*place, kind, type_, key_xdr, key_hash, entry_xdr, before_xdr)


def _entry_xdr(type_: str, entry: Any, sponsor: str | None) -> bytes:
    ext = {"v1": {"sponsoring_id": sponsor, "ext": "v0"}} if sponsor else "v0"
    value = {"last_modified_ledger_seq": 1, "data": {type_: entry}, "ext": ext}
    return to_xdr(xdr.LedgerEntry, value)


#: What stellar-sdk cannot encode, and what stands for it until it is encoded.
_ABSENT = {"vec": None}, {"map": None}
_MARKS = [{"bytes": f"{number:08x}" * 8} for number in (0xFEEDF00D, 0xFEEDF00E)]
_XDR_OF_ABSENT = [bytes.fromhex(f"000000{arm} 00000000") for arm in ("10", "11")]


def to_xdr(kind: Any, value: Any) -> bytes:
    """Encode a SEP-51 value, also with an absent vec or map."""
    data: bytes = kind.from_json_dict(_marked(value)).to_xdr_bytes()
    for mark, absent in zip(_MARKS, _XDR_OF_ABSENT, strict=True):
        data = data.replace(xdr.SCVal.from_json_dict(mark).to_xdr_bytes(), absent)
    return data


def _marked(value: Any) -> Any:
    if value in _ABSENT:
        return _MARKS[_ABSENT.index(value)]
    if isinstance(value, dict):
        return {name: _marked(one) for name, one in value.items()}
    return [_marked(one) for one in value] if isinstance(value, list) else value


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
    ext = fields.pop("ext", "v0")
    if kind != "removed":
        entry = {**key, "balance": str(balance), "limit": "9", "flags": flags, "ext": ext}
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
    if fields.get("before") is not None:
        fields["before"] = {"ext": "v0", **body, "val": fields["before"]}
    return change(kind, "contract_data", body, entry, **fields)


def code_change(kind: str, code: bytes | None, wasm_hash: str, **fields: Any) -> Change:
    key = {"hash": wasm_hash}
    entry = None if code is None else {"ext": "v0", **key, "code": code.hex()}
    return change(kind, "contract_code", key, entry, **fields)


def ttl_change(key_hash: bytes | None, live_until: int | None, **fields: Any) -> Change:
    """A change of the time to live of the entry whose key has this hash."""
    key = {"key_hash": (key_hash or b"").hex()}
    entry = None if live_until is None else {**key, "live_until_ledger_seq": live_until}
    return change("removed" if entry is None else "updated", "ttl", key, entry, **fields)


def ledger_key_hash(key: Any) -> bytes:
    return hashlib.sha256(to_xdr(xdr.LedgerKey, key)).digest()


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
