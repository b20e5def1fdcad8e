"""Make TransactionMetas from hand-written SEP-51 values, for the tests of decode."""

from typing import Any

from stellar_sdk import xdr

from tests.unit.wire_items import ALICE, BOB, TOKEN

WASM_HASH = "cd" * 32
V2 = {"num_sponsored": 1, "num_sponsoring": 2, "signer_sponsoring_i_ds": [None, BOB]}
V3 = {"ext": "v0", "seq_ledger": 9, "seq_time": "1760000000"}
LIABILITIES = {"buying": "3", "selling": "4"}
ACCOUNT = {
    "account_id": ALICE,
    "balance": "9223372036854775807",
    "seq_num": "-1",
    "num_sub_entries": 2,
    "inflation_dest": BOB,
    "flags": 15,
    "home_domain": r"a\\b.example\xff",
    "thresholds": "01020304",
    "signers": [{"key": BOB, "weight": 255}],
    "ext": {"v1": {"liabilities": LIABILITIES, "ext": {"v2": V2 | {"ext": {"v3": V3}}}}},
}
ASSET = {"credit_alphanum4": {"asset_code": "USD", "issuer": BOB}}
TRUSTLINE = {
    "account_id": ALICE,
    "asset": ASSET,
    "balance": "1",
    "limit": "2",
    "flags": 1,
    "ext": {
        "v1": {
            "liabilities": LIABILITIES,
            "ext": {"v2": {"liquidity_pool_use_count": -1, "ext": "v0"}},
        }
    },
}
DATA_KEY = {"contract": TOKEN, "key": {"symbol": "k"}, "durability": "temporary"}
DATA = {"ext": "v0", **DATA_KEY, "val": {"u32": 7}}
COUNTS = [
    *("instructions", "functions", "globals", "table_entries", "types"),
    *("data_segments", "elem_segments", "imports", "exports"),
]
COSTS = {f"n_{name}": at for at, name in enumerate(COUNTS)}
CODE_EXT = {
    "v1": {"ext": "v0", "cost_inputs": {"ext": "v0", **COSTS, "n_data_segment_bytes": 4294967295}}
}
CODE = {"ext": CODE_EXT, "hash": WASM_HASH, "code": "0061736d01"}
TTL = {"key_hash": "ef" * 32, "live_until_ledger_seq": 4294967295}


def entry(name: str, body: Any, sponsor: str | None = None) -> dict[str, Any]:
    """A LedgerEntry."""
    ext = {"v1": {"sponsoring_id": sponsor, "ext": "v0"}} if sponsor else "v0"
    return {"last_modified_ledger_seq": 5, "data": {name: body}, "ext": ext}


def instance(number: int) -> dict[str, Any]:
    """The entry of a contract's instance, whose storage holds a number."""
    storage = [{"key": "void", "val": {"u32": number}}]
    val = {"contract_instance": {"executable": {"wasm": WASM_HASH}, "storage": storage}}
    key = {**DATA_KEY, "key": "ledger_key_contract_instance", "durability": "persistent"}
    return entry("contract_data", {"ext": "v0", **key, "val": val})


def event(topics: list[Any], data: Any, kind: str = "contract") -> dict[str, Any]:
    """A ContractEvent."""
    body = {"v0": {"topics": topics, "data": data}}
    return {"ext": "v0", "contract_id": "ab" * 32, "type": kind, "body": body}


def meta(version: int, body: Any) -> str:
    """A TransactionMeta, base64."""
    return xdr.TransactionMeta.from_json_dict({f"v{version}": body}).to_xdr()


def meta_v4(**changes: Any) -> str:
    """A TransactionMeta V4 with nothing in it but what is given."""
    body = {
        "ext": "v0",
        "tx_changes_before": [],
        "operations": [],
        "tx_changes_after": [],
        "soroban_meta": None,
        "events": [],
        "diagnostic_events": [],
    }
    return meta(4, body | changes)


def operation(changes: list[Any], events: list[Any] | None = None) -> dict[str, Any]:
    """An OperationMetaV2."""
    return {"ext": "v0", "changes": changes, "events": events or []}
