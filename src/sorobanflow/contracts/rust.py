"""Print an interface as Rust, in the form that `stellar contract info interface` prints.

Invariant: the text has no characters but printable ones and line breaks, and a doc stays within
its comment, so nothing that a contract says can pose as something else on a terminal. Names that
are no names of Rust are printed with SEP-51's escapes.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from sorobanflow.contracts.spec import Entry, Event, Function, Param, Spec
from sorobanflow.contracts.types import (
    VOID,
    BytesN,
    Case,
    Enum,
    Field,
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

_INDENT = "    "
_DERIVED = "#[derive(Debug, Clone, Eq, PartialEq, Ord, PartialOrd)]"
_DERIVED_NUMBER = "#[derive(Debug, Copy, Clone, Eq, PartialEq, Ord, PartialOrd)]"
_TYPE, _ERROR = (
    f"#[soroban_sdk::{one}(export = false)]" for one in ("contracttype", "contracterror")
)
_TRAIT = [
    '#[soroban_sdk::contractargs(name = "Args")]',
    '#[soroban_sdk::contractclient(name = "Client")]',
    "pub trait Contract {",
]
#: Types whose name in Rust is not their own, or within soroban_sdk.
_OWN_NAMES = ("bool", "u32", "i32", "u64", "i64", "u128", "i128")
_SDK_NAMES = {"u256": "U256", "i256": "I256", "muxed_address": "MuxedAddress"}
_FORMATS = {"single_value": "single-value", "vec": "vec", "map": "map"}


def print_interface(spec: Spec) -> str:
    """Print the functions as a trait, then types, errors and events in the order of the spec."""
    functions = [one for one in spec.entries if isinstance(one, Function)]
    trait = [*_TRAIT, *(line for one in functions for line in _indented(_function(one))), "}"]
    others = [_entry(one) for one in spec.entries if not isinstance(one, Function)]
    return "".join(f"{line}\n" for lines in [trait, *others] for line in lines)


def _entry(entry: Entry) -> Iterator[str]:
    yield from _doc(entry.doc)
    match entry:
        case Function():
            yield from _function(entry)
        case Struct():
            yield from (_TYPE, _DERIVED)
            yield from _struct(entry)
        case Union():
            yield from (_TYPE, _DERIVED)
            yield from _block(f"pub enum {entry.name}", map(_case, entry.cases))
        case Enum():
            members = ([*_doc(one.doc), f"{one.name} = {one.value},"] for one in entry.members)
            yield from (_ERROR if entry.is_error else _TYPE, _DERIVED_NUMBER)
            yield from _block(f"pub enum {entry.name}", members)
        case Event():
            yield _event_attribute(entry)
            yield from (_DERIVED, *_block(f"pub struct {entry.name}", map(_param, entry.params)))
        case _:
            assert_never(entry)


def _function(function: Function) -> Iterator[str]:
    yield from _doc(function.doc)
    inputs = [f"{one.name}: {type_name(one.type)}" for one in function.inputs]
    output = "" if function.output == VOID else f" -> {type_name(function.output)}"
    yield f"fn {function.name}({', '.join(['env: soroban_sdk::Env', *inputs])}){output};"


def _struct(struct: Struct) -> Iterable[str]:
    if struct.is_tuple:
        types = ", ".join(f"pub {type_name(one.type)}" for one in struct.fields)
        return [f"pub struct {struct.name}({types});"]
    return _block(f"pub struct {struct.name}", map(_field, struct.fields))


def _field(field: Field | Param) -> list[str]:
    return [*_doc(field.doc), f"pub {field.name}: {type_name(field.type)},"]


def _param(param: Param) -> list[str]:
    *doc, line = _field(param)
    return [*doc, "#[topic]", line] if param.in_topics else [*doc, line]


def _case(case: Case) -> list[str]:
    types = ", ".join(map(type_name, case.types))
    return [*_doc(case.doc), f"{case.name}({types})," if types else f"{case.name},"]


def _event_attribute(event: Event) -> str:
    topics = ", ".join(f'"{one}"' for one in event.prefix)
    data = f'data_format = "{_FORMATS[event.data_format]}"'
    return f"#[soroban_sdk::contractevent(topics = [{topics}], {data}, export = false)]"


def type_name(kind: Type) -> str:
    """Write a type as Rust code that uses soroban_sdk does."""
    match kind:
        case Plain(name):
            return _plain_name(name)
        case Option(value):
            return f"Option<{type_name(value)}>"
        case Result(ok, error):
            return f"Result<{type_name(ok)}, {type_name(error)}>"
        case Vec(item):
            return f"soroban_sdk::Vec<{type_name(item)}>"
        case Map(key, value):
            return f"soroban_sdk::Map<{type_name(key)}, {type_name(value)}>"
        case Tuple(items):
            names = ", ".join(map(type_name, items))
            return f"({names},)" if len(items) == 1 else f"({names})"
        case BytesN(size):
            return f"soroban_sdk::BytesN<{size}>"
        case Named(name):
            return name
        case _:
            assert_never(kind)


def _plain_name(name: str) -> str:
    if name in _OWN_NAMES:
        return name
    return "()" if name == "void" else f"soroban_sdk::{_SDK_NAMES.get(name, name.capitalize())}"


def _doc(doc: str) -> list[str]:
    return [f"/// {line}".rstrip() for line in doc.replace("\t", " ").splitlines()]


def _block(head: str, members: Iterable[list[str]]) -> Iterator[str]:
    yield f"{head} {{"
    yield from (line for one in members for line in _indented(one))
    yield "}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"{_INDENT}{line}" for line in lines)
