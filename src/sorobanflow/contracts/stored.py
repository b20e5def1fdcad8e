"""Store the specs of Wasms that were indexed: the tables of `store.tables.contracts`.

Invariant: rows follow from the Wasm alone, and are written once, in one transaction with what
says so in `contract_specs`. So a run may call this at any time, and so may several.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, exists, select
from sqlalchemy.dialects.postgresql import insert

from sorobanflow.contracts.asset_spec import ASSET_SPEC
from sorobanflow.contracts.decoders import Decoders
from sorobanflow.contracts.reading import Interface, read_interface, read_section
from sorobanflow.contracts.rust import type_name
from sorobanflow.contracts.spec import Event, Function, Param, Spec
from sorobanflow.contracts.types import Case, Declared, Enum, Field, Member, Struct, Union
from sorobanflow.decode.reader import Json
from sorobanflow.store.tables import contract_code
from sorobanflow.store.tables.contracts import SPEC_TABLES, contract_specs

Row = dict[str, Any]

#: Stands for the Wasm of asset contracts, which have none.
ASSET_HASH = "stellar-asset"
#: Wasms read in one transaction, of up to 128 KiB each.
MAX_WASMS = 20


def store_specs(engine: Engine) -> int:
    """Read the specs of all stored Wasms that were not read yet; gives how many there were."""
    with engine.begin() as connection:
        _store(connection, ASSET_HASH, Interface(ASSET_SPEC))
    count = 0
    while found := _store_some(engine):
        count += found
    return count


def _store_some(engine: Engine) -> int:
    with engine.begin() as connection:
        codes = _unread(connection)
        for wasm_hash, code in codes:
            _store(connection, wasm_hash, read_interface(code))
    return len(codes)


def store_spec(engine: Engine, wasm_hash: str, code: bytes) -> None:
    """Store the spec of a Wasm that is not in the database; its hash was checked."""
    with engine.begin() as connection:
        _store(connection, wasm_hash, read_interface(code))


def _unread(connection: Connection) -> list[tuple[str, bytes]]:
    code = contract_code.c
    specs = contract_specs.c
    is_read = exists().where(specs.wasm_hash == code.wasm_hash, specs.problems.is_not(None))
    query = select(code.wasm_hash, code.code).where(code.code.is_not(None), ~is_read)
    rows = connection.execute(query.order_by(code.wasm_hash).limit(MAX_WASMS))
    return [(row.wasm_hash, row.code) for row in rows]


def _store(connection: Connection, wasm_hash: str, interface: Interface) -> None:
    head: Row = {"protocol": interface.protocol, "problems": list(interface.problems)}
    head["spec"] = interface.section
    new = insert(contract_specs).values(wasm_hash=wasm_hash, **head)
    key = [contract_specs.c.wasm_hash]
    is_unread = contract_specs.c.problems.is_(None)
    new = new.on_conflict_do_update(index_elements=key, set_=head, where=is_unread)
    if connection.execute(new.returning(contract_specs.c.wasm_hash)).first() is None:
        return  # another run was faster
    of_tables = spec_rows(interface)
    for table in SPEC_TABLES:
        rows = enumerate(of_tables[table.name])
        if values := [{"wasm_hash": wasm_hash, "position": at, **row} for at, row in rows]:
            connection.execute(insert(table), values)


def read_spec(connection: Connection, wasm_hash: str) -> Spec | None:
    """Read the spec of a Wasm, or of asset contracts; None: it has none, or is not known."""
    if wasm_hash == ASSET_HASH:
        return ASSET_SPEC
    query = select(contract_specs.c.spec).where(contract_specs.c.wasm_hash == wasm_hash)
    section = connection.execute(query).scalar()
    return None if section is None else read_section(section)


def spec_rows(interface: Interface) -> dict[str, list[Row]]:
    """Make the rows of a Wasm, by table, in order; without its hash and their positions."""
    entries = interface.spec.entries
    declared = [one for one in entries if isinstance(one, Declared)]
    to_json = Decoders(interface.spec)
    events = [one for one in entries if isinstance(one, Event)]
    functions = [one for one in entries if isinstance(one, Function)]
    return {
        "contract_functions": [_function(one, to_json) for one in functions],
        "contract_types": [_type(one, to_json) for one in declared],
        "contract_events": [_event(one, to_json) for one in events],
        "contract_errors": [row for one in declared for row in _errors(one)],
        "contract_meta": [{"key": key, "value": value} for key, value in interface.meta],
    }


def _function(function: Function, to_json: Decoders) -> Row:
    return {
        "name": function.name,
        "inputs": [_field(one) for one in function.inputs],
        "output": type_name(function.output),
        "doc": function.doc,
        "decoder": to_json.function(function),
    }


def _type(declared: Declared, to_json: Decoders) -> Row:
    decoder: Json = None
    match declared:
        case Struct(fields=fields):
            kind, members = "struct", [_field(one) for one in fields]
            if fields and not declared.is_tuple:
                decoder = to_json.declared(declared.name)
        case Union(cases=cases):
            kind, members = "union", [_case(one) for one in cases]
            decoder = to_json.declared(declared.name)
        case Enum(members=values, is_error=is_error):
            kind, members = "error_enum" if is_error else "enum", [_member(one) for one in values]
    row = {"name": declared.name, "kind": kind, "members": members, "doc": declared.doc}
    return {**row, "decoder": decoder}


def _event(event: Event, to_json: Decoders) -> Row:
    params = [{**param_row(one), "doc": one.doc} for one in event.params]
    return {
        "name": event.name,
        "prefix_topics": list(event.prefix),
        "params": params,
        "data_format": event.data_format,
        "doc": event.doc,
        "decoder": to_json.event(event),
    }


def param_row(param: Param) -> Row:
    """Make the JSON of an event's parameter, without its doc."""
    location = "topics" if param.in_topics else "data"
    return {"name": param.name, "type": type_name(param.type), "location": location}


def _errors(declared: Declared) -> Iterator[Row]:
    if isinstance(declared, Enum) and declared.is_error:
        for one in declared.members:
            yield {"type": declared.name, "code": one.value, "name": one.name, "doc": one.doc}


def _field(field: Field) -> Row:
    return {"name": field.name, "type": type_name(field.type), "doc": field.doc}


def _case(case: Case) -> Row:
    return {"name": case.name, "types": [type_name(one) for one in case.types], "doc": case.doc}


def _member(member: Member) -> Row:
    return {"name": member.name, "value": member.value, "doc": member.doc}
