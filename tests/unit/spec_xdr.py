"""Wasms with a spec, encoded by stellar-sdk: what `sorobanflow.contracts` reads in tests."""

from typing import Any

from stellar_sdk import xdr
from stellar_sdk.sep.contract_meta import ContractMeta
from stellar_sdk.sep.contract_spec import ContractSpec

from sorobanflow.contracts.spec import Entry, Event, Function, Spec
from sorobanflow.contracts.types import (
    BytesN,
    Enum,
    Map,
    Named,
    Option,
    Plain,
    Result,
    Struct,
    Tuple,
    Type,
    Union,
    Vec,
)
from sorobanflow.decode.reader import escape

HEAD = b"\0asm\1\0\0\0"


def wasm(spec: Spec, **meta: str) -> bytes:
    """A Wasm that holds nothing but these sections."""
    entries = [{"sc_meta_v0": {"key": key, "val": value}} for key, value in meta.items()]
    metas = ContractMeta(tuple(map(xdr.SCMetaEntry.from_json_dict, entries)))
    sections = {"contractspecv0": spec_section(spec), "contractmetav0": metas.to_xdr_bytes()}
    return HEAD + b"".join(section(name, data) for name, data in sections.items())


def spec_section(spec: Spec) -> bytes:
    entries = (xdr.SCSpecEntry.from_json_dict(_entry(one)) for one in spec.entries)
    return ContractSpec(tuple(entries)).to_xdr_bytes()


def section(name: str, data: bytes) -> bytes:
    content = bytes([len(name)]) + name.encode() + data
    return b"\0" + _number(len(content)) + content


def _number(value: int) -> bytes:
    """Five bytes of LEB128, whatever the number."""
    return bytes([value >> 7 * place & 0x7F | (0x80 if place < 4 else 0) for place in range(5)])


def _entry(entry: Entry) -> dict[str, Any]:
    head = {"doc": escape(entry.doc.encode()), "name": entry.name}
    match entry:
        case Function(inputs=inputs, output=output):
            outputs = [] if output == Plain("void") else [_type(output)]
            fields = [_named(one.name, one.doc, type=_type(one.type)) for one in inputs]
            return {"function_v0": {**head, "inputs": fields, "outputs": outputs}}
        case Struct(fields=fields_):
            fields = [_named(one.name, one.doc, type=_type(one.type)) for one in fields_]
            return {"udt_struct_v0": {**head, "lib": "", "fields": fields}}
        case Union(cases=cases):
            return {"udt_union_v0": {**head, "lib": "", "cases": [_case(one) for one in cases]}}
        case Enum(members=members, is_error=is_error):
            members_ = [_named(one.name, one.doc, value=one.value) for one in members]
            arm = "udt_error_enum_v0" if is_error else "udt_enum_v0"
            return {arm: {**head, "lib": "", "cases": members_}}
        case Event(prefix=prefix, params=params, data_format=data_format):
            places = ["topic_list" if one.in_topics else "data" for one in params]
            parts = [
                _named(one.name, one.doc, type=_type(one.type), location=place)
                for one, place in zip(params, places, strict=True)
            ]
            content = {"prefix_topics": list(prefix), "params": parts, "data_format": data_format}
            return {"event_v0": {**head, "lib": "", **content}}


def _named(name: str, doc: str, **content: Any) -> dict[str, Any]:
    return {"doc": escape(doc.encode()), "name": name, **content}


def _case(case: Any) -> dict[str, Any]:
    if not case.types:
        return {"void_v0": _named(case.name, case.doc)}
    return {"tuple_v0": _named(case.name, case.doc, type=[_type(one) for one in case.types])}


def _type(kind: Type) -> Any:
    match kind:
        case Plain(name):
            return name
        case Option(value):
            return {"option": {"value_type": _type(value)}}
        case Result(ok, error):
            return {"result": {"ok_type": _type(ok), "error_type": _type(error)}}
        case Vec(item):
            return {"vec": {"element_type": _type(item)}}
        case Map(key, value):
            return {"map": {"key_type": _type(key), "value_type": _type(value)}}
        case Tuple(items):
            return {"tuple": {"value_types": [_type(one) for one in items]}}
        case BytesN(size):
            return {"bytes_n": {"n": size}}
        case Named(name):
            return {"udt": {"name": name}}
