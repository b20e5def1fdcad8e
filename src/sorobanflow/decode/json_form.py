"""Read what a node gives as JSON (SEP-51) when it is asked for xdrFormat json.

The counterpart of `metas` and `scval`: no XDR is decoded here, the values are
taken as they are. Invariant: what comes out equals what base64 gives, so the keys
and values of contracts, whose XDR and hashes are stored, are encoded anew, and
what nobody reads (diagnostics, the events of operations) is walked past.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from sorobanflow.decode.changes import (
    KINDS,
    OP_AFTER,
    OP_BEFORE,
    TYPES,
    Change,
    Meta,
    Refund,
)
from sorobanflow.decode.encode import encode_scval, hash_key
from sorobanflow.decode.reader import Json, failure
from sorobanflow.decode.scval import ARMS, BARE_ARMS
from sorobanflow.errors import DecodeError

T = TypeVar("T")

_INSTANCE = "ledger_key_contract_instance"


class _Operation(Struct):
    """OperationMeta, or OperationMetaV2."""

    changes: list[Json]


class _V1(Struct):
    """TransactionMetaV1."""

    tx_changes: list[Json]
    operations: list[_Operation]


class _V2(Struct):
    """TransactionMetaV2."""

    tx_changes_before: list[Json]
    operations: list[_Operation]
    tx_changes_after: list[Json]


class _SorobanMeta(Struct):
    """SorobanTransactionMeta, or SorobanTransactionMetaV2."""

    ext: Json


class _V3(_V2):
    """TransactionMetaV3."""

    soroban_meta: _SorobanMeta | None


class _TransactionEvent(Struct):
    stage: str
    event: Json


class _V4(_V3):
    """TransactionMetaV4."""

    events: list[_TransactionEvent]


class _Meta(Struct, forbid_unknown_fields=True):
    """TransactionMeta: a union, one of these is there."""

    v0: list[_Operation] | None = None
    v1: _V1 | None = None
    v2: _V2 | None = None
    v3: _V3 | None = None
    v4: _V4 | None = None


_meta = msgspec.json.Decoder(_Meta)
_any = msgspec.json.Decoder(Any)
_values = msgspec.json.Decoder(list[Any])


def read_json(name: str, raw: msgspec.Raw) -> Json:
    """Read a member that is taken as it is.

    Args:
        name: The member's, for the error.
        raw: Its JSON; empty where the node gave none.

    Raises:
        DecodeError: there is none, or it nests too deeply.
    """
    return _decoded(name, raw, _any)


def read_value_json(raw: msgspec.Raw) -> Json:
    """Read an event's value. That it is an SCVal is checked, not what is in it.

    Raises:
        DecodeError: there is none, it is no SCVal, or it nests too deeply.
    """
    return _scval("valueJson", read_json("valueJson", raw))


def read_topics_json(raw: msgspec.Raw) -> list[Json]:
    """Read an event's topics; a node leaves the member out where there are none.

    Raises:
        DecodeError: not an array of SCVals, or it nests too deeply.
    """
    topics = _decoded("topicJson", raw, _values) if raw else []
    return [_scval("topicJson", topic) for topic in topics]


def _scval(name: str, value: Json) -> Json:
    """Take a value that has the form of one arm."""
    if isinstance(value, dict):
        if len(value) == 1 and not ARMS.isdisjoint(value):
            return value
    elif isinstance(value, str) and value in BARE_ARMS:
        return value
    raise DecodeError(f"{name} is no SCVal: {value!r:.80}")


def read_meta_json(raw: msgspec.Raw) -> Meta:
    """Read a TransactionMeta.

    Raises:
        DecodeError: there is none, or it does not have its SEP-51 form.
    """
    union = _decoded("resultMetaJson", raw, _meta)
    try:
        return _read_meta(union)
    except Exception as error:  # stellar-sdk's encoders raise a dozen classes
        raise failure("resultMetaJson", error) from error


def _decoded(name: str, raw: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    if not raw:
        raise DecodeError(f"the node gave neither base64 XDR nor {name}")
    try:
        return decoder.decode(raw)
    except Exception as error:  # RecursionError among them
        raise failure(name, error) from error


def _read_meta(union: _Meta) -> Meta:
    [body] = [arm for arm in (union.v0, union.v1, union.v2, union.v3, union.v4) if arm is not None]
    changes: list[Change] = []
    if isinstance(body, list):
        _read_operations(body, changes)
    elif isinstance(body, _V1):
        _read_changes(body.tx_changes, OP_BEFORE, changes)
        _read_operations(body.operations, changes)
    else:
        _read_changes(body.tx_changes_before, OP_BEFORE, changes)
        _read_operations(body.operations, changes)
        _read_changes(body.tx_changes_after, OP_AFTER, changes)
    soroban = body.soroban_meta if isinstance(body, _V3) else None
    refunds = _refunds(body.events) if isinstance(body, _V4) else []
    return Meta(None if soroban is None else soroban.ext, changes, refunds)


def _read_operations(operations: Sequence[_Operation], changes: list[Change]) -> None:
    for number, operation in enumerate(operations, start=1):
        _read_changes(operation.changes, number, changes)


def _read_changes(items: Sequence[Json], op_order: int, changes: list[Change]) -> None:
    """Read LedgerEntryChanges; of `state` items only what an instance was before."""
    instances: dict[str | None, Json] = {}  # by the hash of their key
    for order, item in enumerate(items):
        [(kind, content)] = item.items()
        [(type_, body)] = (content if kind == "removed" else content["data"]).items()
        is_instance = type_ == "contract_data" and body["key"] == _INSTANCE
        if type_ not in TYPES or (kind == "state" and not is_instance):
            continue
        change = _change(kind, type_, body)._replace(op_order=op_order, change_order=order)
        if is_instance and kind != "state":
            change = change._replace(before=instances.get(change.key_hash))
        if is_instance and kind != "removed":
            instances[change.key_hash] = body["val"]
        if kind != "state":
            changes.append(change._replace(sponsor=_sponsor(content)))


def _sponsor(entry: Json) -> str | None:
    """Give a LedgerEntry's sponsor; a LedgerKey has none."""
    extension = entry.get("ext", "v0")
    return None if extension == "v0" else extension["v1"]["sponsoring_id"]


def _change(kind: str, type_: str, body: Json) -> Change:
    """Make a change, but for where it stands, its sponsor and what was before.

    Args:
        kind: One of KINDS, or state.
        type_: One of TYPES.
        body: Of the LedgerEntryData, or of the LedgerKey where `kind` is removed.
    """
    key_hash = key_xdr = value_xdr = None
    if kind not in (*KINDS, "state"):
        raise ValueError(f"unknown change {kind!r:.40}")
    entry = None if kind == "removed" else body
    key = {name: body[name] for name in _KEYS[type_]}
    if type_ == "ttl":
        key_hash = body["key_hash"]
    elif type_ == "contract_code":
        key_hash, _ = hash_key(type_, body)
        if entry is not None:
            entry = {"ext": body["ext"], **key}
            value_xdr = bytes.fromhex(body["code"])
    elif type_ == "contract_data":
        key_hash, key_xdr = hash_key(type_, body)
        value_xdr = None if entry is None else encode_scval(body["val"])
    return Change(0, 0, kind, type_, key, key_hash, entry, None, key_xdr, value_xdr, None)


_KEYS = {
    "account": ("account_id",),
    "trustline": ("account_id", "asset"),
    "contract_data": ("contract", "key", "durability"),
    "contract_code": ("hash",),
    "ttl": ("key_hash",),
}


def _refunds(events: Sequence[_TransactionEvent]) -> list[Refund]:
    """Take contracts' events `["fee", account]` of a negative i128 for refunds."""
    late = [item.event for item in events if item.stage == "after_all_txs"]
    found = [_refund(event) for event in late if event["type"] == "contract"]
    return [refund for refund in found if refund is not None]


def _refund(event: Json) -> Refund | None:
    topics, data = event["body"]["v0"]["topics"], event["body"]["v0"]["data"]
    if len(topics) != 2 or topics[0] != {"symbol": "fee"} or not isinstance(topics[1], dict):
        return None
    account = topics[1].get("address", "")
    stroops = -int(data["i128"]) if isinstance(data, dict) and "i128" in data else 0
    return Refund(account, stroops) if account.startswith("G") and stroops > 0 else None
