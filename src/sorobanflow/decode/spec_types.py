"""Read what a contract says of itself: its spec (SEP-48), its metadata (SEP-46, SEP-47).

Names are escaped as in SEP-51, so that they compare with values of events and calls. Docs are
text: bytes that are no UTF-8 and characters that cannot be shown are U+FFFD. Lists and strings
may be longer than SEP-48 allows; `read_stream`'s callers bound the bytes.
Invariant: types nest at most MAX_TYPE_DEPTH deep. Source: Stellar-contract-spec.x,
Stellar-contract-meta.x, Stellar-contract-env-meta.x.
"""

from collections.abc import Iterator

from sorobanflow.decode.composites import array, struct, union
from sorobanflow.decode.reader import (
    UINT32,
    Json,
    count_items,
    enum,
    escape,
    no_arm,
    opaque,
    part,
    uint32,
)
from sorobanflow.decode.straight import ByHand, XdrType

MAX_TYPE_DEPTH = 32


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


_DOC, _NAME = opaque(_text), opaque(escape)

_PLAIN_TYPES = dict(
    enumerate(
        [
            *("val", "bool", "void", "error", "u32", "i32", "u64", "i64", "timepoint", "duration"),
            *("u128", "i128", "u256", "i256", "bytes", "", "string", "symbol", "", "address"),
            "muxed_address",
        ]
    )
)
_NESTED_TYPES = {
    1000: ("option", ("value_type",)),
    1001: ("result", ("ok_type", "error_type")),
    1002: ("vec", ("element_type",)),
    1004: ("map", ("key_type", "value_type")),
}
_TUPLE = 1005
_OTHER_TYPES = {1006: ("bytes_n", struct(n=UINT32)), 2000: ("udt", struct(name=_NAME))}


def _read_type(data: bytes, at: int, depth: int = 0) -> tuple[Json, int]:
    (kind,) = uint32(data, at)
    name = _PLAIN_TYPES.get(kind)
    if name:
        return name, at + 4
    if kind in _OTHER_TYPES:
        other, content = _OTHER_TYPES[kind]
        value, at = content.read(data, at + 4)
        return {other: value}, at
    if depth == MAX_TYPE_DEPTH:
        raise ValueError(f"types nest deeper than {MAX_TYPE_DEPTH}")
    if kind == _TUPLE:
        return _read_tuple(data, at + 4, depth + 1)
    nested, fields = _NESTED_TYPES.get(kind) or no_arm("SCSpecTypeDef", kind)
    at += 4
    types = {}
    for field in fields:
        types[field], at = _read_type(data, at, depth + 1)
    return {nested: types}, at


def _read_tuple(data: bytes, at: int, depth: int) -> tuple[Json, int]:
    count = count_items(data, at)
    at += 4
    types = []
    for _ in range(count):
        item, at = _read_type(data, at, depth)
        types.append(item)
    return {"tuple": {"value_types": types}}, at


_TYPE = ByHand(_read_type, lambda data, at: _read_type(data, at)[1])
_TYPED = struct(doc=_DOC, name=_NAME, type=_TYPE)
_NUMBERED = array(struct(doc=_DOC, name=_NAME, value=UINT32))
_CASE = union(
    "SCSpecUDTUnionCaseV0",
    {
        0: ("void_v0", struct(doc=_DOC, name=_NAME)),
        1: ("tuple_v0", struct(doc=_DOC, name=_NAME, type=array(_TYPE))),
    },
)
_LOCATION = enum("SCSpecEventParamLocationV0", ["data", "topic_list"])
_EVENT_PARAM = struct(doc=_DOC, name=_NAME, type=_TYPE, location=_LOCATION)
_EVENT = struct(
    doc=_DOC,
    lib=_NAME,
    name=_NAME,
    prefix_topics=array(_NAME),
    params=array(_EVENT_PARAM),
    data_format=enum("SCSpecEventDataFormat", ["single_value", "vec", "map"]),
)


def _declared(**content: XdrType) -> XdrType:
    return struct(doc=_DOC, lib=_NAME, name=_NAME, **content)


SPEC_ENTRY = union(
    "SCSpecEntry",
    {
        0: (
            "function_v0",
            struct(doc=_DOC, name=_NAME, inputs=array(_TYPED), outputs=array(_TYPE, 1)),
        ),
        1: ("udt_struct_v0", _declared(fields=array(_TYPED))),
        2: ("udt_union_v0", _declared(cases=array(_CASE))),
        3: ("udt_enum_v0", _declared(cases=_NUMBERED)),
        4: ("udt_error_enum_v0", _declared(cases=_NUMBERED)),
        5: ("event_v0", _EVENT),
    },
)
META_ENTRY = union("SCMetaEntry", {0: ("sc_meta_v0", struct(key=_DOC, val=_DOC))})
_VERSION = struct(protocol=UINT32, pre_release=UINT32)
ENV_META_ENTRY = union("SCEnvMetaEntry", {0: ("sc_env_meta_kind_interface_version", _VERSION)})


def read_stream(name: str, kind: XdrType, data: bytes) -> Iterator[Json]:
    """Read values that follow each other to the end of the bytes; DecodeError where one cannot."""
    read_one = part(name, kind.read)
    at = 0
    while at < len(data):
        value, at = read_one(data, at)
        yield value
