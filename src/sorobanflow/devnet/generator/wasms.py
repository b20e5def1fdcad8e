"""The Wasms of the generated chain's contracts: no code, only what they say of themselves.

The exchange has two: its second one declares other fields of the same event. The custom token
declares its functions and no events, as most contracts of the public network do.
Source: SEP-46, SEP-48.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from stellar_sdk import xdr

MAGIC = b"\x00asm\x01\x00\x00\x00"

Json = dict[str, Any]
Types = Mapping[str, Any]  # by name, in SEP-51 form


def _list(kind: Any) -> Json:  # noqa: ANN401 - a type's JSON
    return {"vec": {"element_type": kind}}


def _named(name: str) -> Json:
    return {"udt": {"name": name}}


def _function(name: str, inputs: Types, output: Any = None, doc: str = "") -> Json:  # noqa: ANN401
    fields = [{"doc": "", "name": one, "type": kind} for one, kind in inputs.items()]
    outputs = [] if output is None else [output]
    return {"function_v0": {"doc": doc, "name": name, "inputs": fields, "outputs": outputs}}


def _event(name: str, prefix: list[str], topics: Types, data: Types, form: str, doc: str) -> Json:
    params = [
        {"doc": _DOCS.get(one, ""), "name": one, "type": kind, "location": place}
        for place, kinds in (("topic_list", topics), ("data", data))
        for one, kind in kinds.items()
    ]
    content = {"prefix_topics": prefix, "params": params, "data_format": form}
    return {"event_v0": {"doc": doc, "lib": "", "name": name, **content}}


def _declared(arm: str, name: str, members: str, content: list[Json]) -> Json:
    listed = [{"doc": "", **one} for one in content]
    return {f"udt_{arm}_v0": {"doc": "", "lib": "", "name": name, members: listed}}


def _case(name: str, *types: Any) -> Json:  # noqa: ANN401 - as above
    case = {"doc": "", "name": name}
    return {"tuple_v0": {**case, "type": list(types)}} if types else {"void_v0": case}


_DOCS = {
    "trader": "who swaps",
    "amount_in": "what the trader pays",
    "amount_out": "what the trader gets",
    "side": "buy, sell, or sell at a limit",
    "tier": "sets the fee",
}
_CASES = [_case("Buy"), _case("Sell"), _case("Limit", "i128")]
_SIDE = {"udt_union_v0": {"doc": "", "lib": "", "name": "Side", "cases": _CASES}}
_KEYS = [_case("Admin"), _case("Position", "address")]
_DATA_KEY = {"udt_union_v0": {"doc": "", "lib": "", "name": "DataKey", "cases": _KEYS}}
_POSITION = _declared(
    "struct",
    "Position",
    "fields",
    [{"name": "shares", "type": "i128"}, {"name": "since", "type": "u32"}],
)
_FAULTS = [{"name": "SlippageExceeded", "value": 1}, {"name": "Paused", "value": 2}]
_FAULT = _declared("error_enum", "Fault", "cases", _FAULTS)
_TIER = _declared(
    "enum", "Tier", "cases", [{"name": "Standard", "value": 0}, {"name": "Partner", "value": 1}]
)
_TRADER = {"trader": "address"}
_SWAPPED = {"amount_in": "i128", "amount_out": "i128"}
_EXCHANGE = [
    _function(
        "swap", {**_TRADER, "amount_in": "i128", "side": _named("Side")}, "i128", "Swaps USDD."
    ),
    _function("deposit", {"provider": "address", "amounts": _list("i128")}, _named("Position")),
    _function(
        "order",
        {**_TRADER, "limit": "i128"},
        {"result": {"ok_type": "void", "error_type": _named("Fault")}},
    ),
    _function("upgrade", {"wasm_hash": {"bytes_n": {"n": 32}}}),
    _SIDE,
    _DATA_KEY,
    _POSITION,
    _FAULT,
    _event(
        "Deposit",
        ["pool", "deposit"],
        {"provider": "address"},
        {"usdd": "i128", "dvt": "i128"},
        "vec",
        "",
    ),
    _event(
        "OrderRejected",
        ["order_rejected"],
        _TRADER,
        {"reason": _named("Fault")},
        "single_value",
        "",
    ),
]
_SWAP = ("Swap", ["swap"], _TRADER)
_SWAP_1 = _event(*_SWAP, {**_SWAPPED, "side": _named("Side")}, "map", "A swap of USDD for DVT.")
_FEES = {"fee": "u64", "memo": {"option": {"value_type": "string"}}, "tier": _named("Tier")}
_SWAP_2 = _event(*_SWAP, {**_SWAPPED, **_FEES}, "map", "A swap of USDD for DVT, with its fee.")
_TOKEN = [
    _function("transfer", {"from": "address", "to": "muxed_address", "amount": "i128"}),
    _function("balance", {"id": "address"}, "i128"),
    _function("decimals", {}, "u32"),
]


@cache
def exchange_wasm(version: int) -> bytes:
    """Make the exchange's first or second Wasm."""
    added = [_SWAP_1] if version == 1 else [_TIER, _SWAP_2]
    return _wasm([*_EXCHANGE, *added], f"exchange {version}")


@cache
def token_wasm() -> bytes:
    """Make the custom token's Wasm."""
    return _wasm(_TOKEN, "token")


def _wasm(entries: Iterable[Json], name: str) -> bytes:
    spec = b"".join(xdr.SCSpecEntry.from_json_dict(one).to_xdr_bytes() for one in entries)
    meta = xdr.SCMetaEntry.from_json_dict({"sc_meta_v0": {"key": "Description", "val": name}})
    version = xdr.SCEnvMetaEntry.from_json_dict(
        {"sc_env_meta_kind_interface_version": {"protocol": 23, "pre_release": 0}}
    )
    sections = {
        "contractspecv0": spec,
        "contractenvmetav0": version.to_xdr_bytes(),
        "contractmetav0": meta.to_xdr_bytes(),
    }
    return MAGIC + b"".join(_section(*one) for one in sections.items())


def _section(name: str, content: bytes) -> bytes:
    """Make a custom section; lengths are in LEB128."""
    named = _number(len(name)) + name.encode() + content
    return b"\x00" + _number(len(named)) + named


def _number(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _number(rest) if rest else bytes([low])
