"""Read what a contract's Wasm says of it, the way into this package.

Invariant: no bytes make `read_interface` raise. A Wasm without a spec, or with one that cannot be
read, gives an interface without entries and the reason. A part that is broken takes nothing from
the others. Source: SEP-46, SEP-47, SEP-48.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

from sorobanflow.contracts.sections import custom_sections
from sorobanflow.contracts.spec import DataFormat, Entry, Event, Function, Param, Spec
from sorobanflow.contracts.types import (
    VOID,
    BytesN,
    Case,
    Enum,
    Field,
    Map,
    Member,
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
from sorobanflow.decode.reader import Json
from sorobanflow.decode.spec_types import ENV_META_ENTRY, META_ENTRY, SPEC_ENTRY, read_stream
from sorobanflow.decode.straight import XdrType
from sorobanflow.errors import DecodeError

#: The network allows a Wasm of 128 KiB. Real specs have up to 16 KiB and 100 entries.
MAX_SECTION_BYTES, MAX_ENTRIES = 262_144, 4_000
_SPEC, _META, _ENV_META = b"contractspecv0", b"contractmetav0", b"contractenvmetav0"
_NOTHING = Spec()


@dataclass(frozen=True)
class Interface:
    """What a Wasm says of itself; `problems` says why something of it is missing."""

    spec: Spec = _NOTHING
    meta: tuple[tuple[str, str], ...] = ()  # keys may repeat
    protocol: int | None = None  # of the network, that it was built for
    problems: tuple[str, ...] = ()
    section: bytes | None = None  # that holds the spec; None: it cannot be read


_T = TypeVar("_T")


def read_interface(code: bytes) -> Interface:
    """Read spec, metadata and protocol of a Wasm; what cannot be read is among the problems."""
    problems: list[str] = []
    sections: dict[bytes, list[bytes]] = {_SPEC: [], _META: [], _ENV_META: []}
    try:
        for name, content in custom_sections(code):
            sections.get(name, []).append(content)
    except DecodeError as error:
        problems.append(f"no sections: {error}")

    def read(part: str, name: bytes, reader: Callable[[list[bytes]], _T], nothing: _T) -> _T:
        try:
            return reader(sections[name])
        except DecodeError as error:
            problems.append(f"no {part}: {error}")
            return nothing

    spec = read("spec", _SPEC, _spec, _NOTHING)
    return Interface(
        spec,
        read("metadata", _META, _meta, ()),
        read("protocol", _ENV_META, _protocol, None),
        tuple(problems),
        sections[_SPEC][0] if spec.entries else None,
    )


def read_section(section: bytes) -> Spec:
    """Read a spec from its section, which `read_interface` gave."""
    return _spec([section])


def _spec(sections: list[bytes]) -> Spec:
    if len(sections) != 1:
        raise DecodeError(f"the Wasm has {len(sections)} sections {_SPEC.decode()}; expected one")
    return Spec(tuple(_entry(*one) for one in _entries("SCSpecEntry", SPEC_ENTRY, sections)))


def _meta(sections: list[bytes]) -> tuple[tuple[str, str], ...]:
    entries = _entries("SCMetaEntry", META_ENTRY, sections)
    return tuple((content["key"], content["val"]) for _, content in entries)


def _protocol(sections: list[bytes]) -> int | None:
    versions = [int(one["protocol"]) for _, one in _entries("SCEnvMeta", ENV_META_ENTRY, sections)]
    return versions[0] if versions else None


def _entries(name: str, kind: XdrType, sections: list[bytes]) -> Iterator[tuple[str, Json]]:
    """Give the arm and the content of each entry."""
    data = b"".join(sections)
    if len(data) > MAX_SECTION_BYTES:
        raise DecodeError(f"it has {len(data)} bytes; at most {MAX_SECTION_BYTES} are read")
    for count, entry in enumerate(read_stream(name, kind, data), 1):
        if count > MAX_ENTRIES:
            raise DecodeError(f"it has more than {MAX_ENTRIES} entries")
        ((arm, content),) = entry.items()
        yield arm, content


def _entry(arm: str, content: Json) -> Entry:
    name, doc = content["name"], content["doc"]
    match arm:
        case "function_v0":
            outputs = [_type(one) for one in content["outputs"]]
            return Function(name, _fields(content["inputs"]), outputs[0] if outputs else VOID, doc)
        case "udt_struct_v0":
            return Struct(name, _fields(content["fields"]), doc)
        case "udt_union_v0":
            return Union(name, tuple(_case(one) for one in content["cases"]), doc)
        case "event_v0":
            params = tuple(_param(one) for one in content["params"])
            prefix = tuple(content["prefix_topics"])
            return Event(name, prefix, params, cast(DataFormat, content["data_format"]), doc)
        case _:
            members = (Member(one["name"], one["value"], one["doc"]) for one in content["cases"])
            return Enum(name, tuple(members), doc, is_error=arm == "udt_error_enum_v0")


def _fields(fields: Json) -> tuple[Field, ...]:
    return tuple(Field(one["name"], _type(one["type"]), one["doc"]) for one in fields)


def _case(case: Json) -> Case:
    ((_, content),) = case.items()
    types = tuple(_type(one) for one in content.get("type", ()))
    return Case(content["name"], types, content["doc"])


def _param(param: Json) -> Param:
    in_topics = param["location"] == "topic_list"
    return Param(param["name"], _type(param["type"]), in_topics, param["doc"])


def _type(kind: Json) -> Type:
    if isinstance(kind, str):
        return Plain(kind)
    ((arm, content),) = kind.items()
    return _TYPES[arm](content)


_TYPES: dict[str, Callable[[Json], Type]] = {
    "option": lambda of: Option(_type(of["value_type"])),
    "result": lambda of: Result(_type(of["ok_type"]), _type(of["error_type"])),
    "vec": lambda of: Vec(_type(of["element_type"])),
    "map": lambda of: Map(_type(of["key_type"]), _type(of["value_type"])),
    # Rust's () is a tuple of nothing, and its value is void.
    "tuple": lambda of: Tuple(tuple(map(_type, of["value_types"]))) if of["value_types"] else VOID,
    "bytes_n": lambda of: BytesN(of["n"]),
    "udt": lambda of: Named(of["name"]),
}
