"""The views that name events, calls and storage, over small tables."""

import json
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sorobanflow.contracts.spec import Event, Function, Param, Spec
from sorobanflow.contracts.stored import store_specs
from sorobanflow.contracts.types import (
    Case,
    Enum,
    Field,
    Member,
    Named,
    Plain,
    Result,
    Struct,
    Union,
)
from tests.integration.test_contract_specs import add_code
from tests.unit.spec_xdr import HEAD, wasm

U32, ADDRESS = Plain("u32"), Plain("address")
FAULT = Enum("Fault", (Member("Poor", 1),), is_error=True)
OLD = Spec(
    (
        FAULT,
        Union("DataKey", (Case("Admin"), Case("Balance", (ADDRESS,)))),
        Struct("Config", (Field("fee", U32), Field("owner", ADDRESS))),
        Function("pay", (Field("to", ADDRESS), Field("n", U32)), Result(U32, Named("Fault"))),
        Event("Paid", ("paid",), (Param("to", ADDRESS, True), Param("n", U32, False)), "map"),
    )
)
NEW = Spec(
    (Event("Paid", ("paid",), (Param("who", ADDRESS, True), Param("n", U32, False)), "map"),)
)
MADE, CHANGED, SILENT, ASSET, STRANGER, UNREAD = (f"C{name}" for name in "ABCDEF")
WASMS = {name: wasm(spec) for name, spec in (("old", OLD), ("new", NEW))} | {"silent": HEAD}
HASHES = {name: sha256(code).hexdigest() for name, code in WASMS.items()}


@pytest.fixture
def named(engine: Engine) -> Engine:
    """A database that holds ledgers 5 to 9, in which contracts run Wasms of known specs."""
    add_code(engine, *WASMS.values())
    store_specs(engine)
    old, new = HASHES["old"], HASHES["new"]
    runs = [
        (MADE, 5, 1, "created", old, None),
        (CHANGED, 5, 1, "created", old, None),
        (CHANGED, 7, 3, "updated", new, old),
        (SILENT, 5, 1, "created", HASHES["silent"], None),
        (UNREAD, 5, 1, "created", "ab", None),
    ]
    change = text("INSERT INTO contract_executables VALUES (:c, :l, :t, 1, 0, :kind, :after, :b)")
    names = ("c", "l", "t", "kind", "after", "b")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO coverage (stream, ledgers) VALUES ('all','{[5,10)}')"
        )
        connection.execute(text("INSERT INTO tokens VALUES (:asset, 'native')"), {"asset": ASSET})
        connection.execute(change, [dict(zip(names, row, strict=True)) for row in runs])
    return engine


def emit(
    engine: Engine, contract: str | None, place: tuple[int, int], topics: Any, value: Any
) -> None:
    insert = text(
        "INSERT INTO stored.events (closed_at, ledger, tx_index, op_index, event_index, is_system, "
        "tx_hash, contract_id, topics, value) VALUES ('2026-01-01Z', :ledger, :tx, 0, "
        "(SELECT count(*) FROM stored.events), false, '\\xaa', :contract, :topics, :value)"
    )
    cells = {"topics": json.dumps(topics), "value": json.dumps(value), "contract": contract}
    with engine.begin() as connection:
        connection.execute(insert, cells | dict(zip(("ledger", "tx"), place, strict=True)))


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


PAID = [{"symbol": "paid"}, {"address": "G1"}]
FIVE = {"map": [{"key": {"symbol": "n"}, "val": {"u32": 5}}]}


def test_events_are_named_by_the_wasm_that_ran_at_their_place(named: Engine) -> None:
    for place in ((6, 1), (7, 2), (7, 3), (7, 4), (9, 1), (10, 1)):
        emit(named, CHANGED, place, PAID, FIVE)
    query = "SELECT ledger, tx_index, event, params, origin, reason FROM events_named ORDER BY id"
    old, new = {"to": "G1", "n": 5}, {"who": "G1", "n": 5}
    assert rows(named, query) == [
        (6, 1, "Paid", old, "declared", None),
        (7, 2, "Paid", old, "declared", None),
        (7, 3, None, None, None, "executable not known"),
        (7, 4, "Paid", new, "declared", None),
        (9, 1, "Paid", new, "declared", None),
        (10, 1, None, None, None, "executable not known"),
    ]


def test_an_event_has_a_name_or_a_reason(named: Engine) -> None:
    mint = [{"symbol": "mint"}, {"address": "G1"}, {"string": "native"}]
    minted = {"to": "G1", "amount": "7", "sep0011_asset": "native"}
    cases: list[Any] = [
        (MADE, [{"symbol": "sold"}], FIVE, (None, None, None, "undeclared")),
        (MADE, PAID[:1], FIVE, (None, None, None, "other shape")),
        (MADE, [], "void", (None, None, None, "undeclared")),
        (None, PAID, FIVE, (None, None, None, "no contract")),
        (STRANGER, PAID, FIVE, (None, None, None, "executable not known")),
        (UNREAD, PAID, FIVE, (None, None, None, "no spec")),
        (SILENT, PAID, FIVE, ("paid", {"topic_1": "G1", "n": 5}, "inferred", None)),
        (SILENT, [], {"vec": [{"u32": 1}]}, ("event", {"value_0": 1}, "inferred", None)),
        (ASSET, mint, {"i128": "7"}, ("mint", minted, "asset", None)),
    ]
    for contract, topics, value, _ in cases:
        place = (20 if contract == ASSET else 6, 1)  # no stream holds ledger 20
        emit(named, contract, place, topics, value)
    found = rows(named, "SELECT event, params, origin, reason FROM events_named ORDER BY id")
    assert found == [expected for *_, expected in cases]


OPERATION = """
    INSERT INTO stored.operations (closed_at, ledger, application_order, op_index, type,
        successful, tx_hash, source_account, details)
    VALUES ('2026-01-01Z', 6, :place, 0, 24, :fine, :hash, 'G1', :details)
"""
TRANSACTION = """
    INSERT INTO stored.transactions (closed_at, fee_bid, fee_charged, sequence, ledger,
        application_order, operation_count, successful, fee_bump, hash, signatures,
        source_account, return_value)
    VALUES ('2026-01-01Z', 1, 1, 1, 6, :place, 1, :fine, false, :hash, '', 'G1', :result)
"""


CALL = """
    INSERT INTO stored.contract_calls (closed_at, ledger, application_order, call_index, depth,
        returned, tx_hash, contract_id, function, arguments, result)
    VALUES ('2026-01-01Z', 6, :place, 0, 0, :fine, :hash, :contract, :function, '[]', :result)
"""


def invoke(
    engine: Engine, place: int, contract: str, function: str, args: Any, result: Any
) -> None:
    """Store a call that returned a result, None, or an error within brackets."""
    call = {"contract_address": contract, "function_name": function, "args": args}
    is_error = isinstance(result, list)
    error = json.dumps(result[0]) if is_error else None
    fine = result is not None and not is_error
    cells = {
        "place": place,
        "hash": bytes([place]) * 32,
        "fine": fine,
        "details": json.dumps({"host_function": {"invoke_contract": call}}),
        "result": json.dumps(result) if fine else None,
    }
    stated = {
        **cells,
        "contract": contract,
        "function": function,
        "result": error or cells["result"],
    }
    with engine.begin() as connection:
        connection.execute(text(OPERATION), cells)
        connection.execute(text(TRANSACTION), cells)
        connection.execute(text(CALL), stated)


def test_calls_are_named_or_have_a_reason(named: Engine) -> None:
    args = [{"address": "G1"}, {"u32": 5}]
    calls = [
        (MADE, "pay", args, {"u32": 6}),
        (MADE, "pay", args, {"error": {"contract": 1}}),
        (MADE, "pay", args, None),
        (MADE, "pay", args, [{"error": {"contract": 1}}]),
        (MADE, "pay", args, [{"error": {"contract": 2}}]),
        (STRANGER, "pay", args, [{"error": {"auth": "invalid_action"}}]),
        (MADE, "pay", args[:1], None),
        (MADE, "pay", args, "void"),
        (MADE, "play", [], None),
        (SILENT, "pay", args, None),
        (STRANGER, "pay", args, None),
        (ASSET, "decimals", [], {"u32": 7}),
        (ASSET, "decimals", [], [{"error": {"contract": 10}}]),
    ]
    for place, call in enumerate(calls, 2):
        invoke(named, place, *call)
    columns = "arguments, result, error, origin, reason"
    paid = {"to": "G1", "n": 5}
    assert rows(named, f"SELECT {columns} FROM calls_named ORDER BY application_order") == [
        (paid, 6, None, "declared", None),
        (paid, None, "Poor", "declared", None),
        (paid, None, None, "declared", None),
        (paid, None, "Poor", "declared", None),
        (paid, None, {"error": {"contract": 2}}, "declared", None),
        (None, None, {"error": {"auth": "invalid_action"}}, None, "executable not known"),
        (None, None, None, None, "other arguments"),
        (None, None, None, None, "other result"),
        (None, None, None, None, "undeclared"),
        (None, None, None, None, "no spec"),
        (None, None, None, None, "executable not known"),
        ({}, 7, None, "asset", None),
        ({}, None, "BalanceError", "asset", None),
    ]


ENTRY = """
    INSERT INTO contract_data_entries (key_hash, contract_id, durability, key, value, deleted,
        ledger, tx_order, op_order, change_order)
    VALUES (:at, :contract, :durability, :key, :value, false, 6, 1, 1, 0)
"""
INSTANCE = "ledger_key_contract_instance"


def test_storage_is_shown_by_the_types_that_it_fits(named: Engine) -> None:
    fields = (("fee", {"u32": 1}), ("owner", {"address": "G1"}))
    config = {"map": [{"key": {"symbol": name}, "val": value} for name, value in fields]}
    balance = {"vec": [{"symbol": "Balance"}, {"address": "G1"}]}
    item = {"key": {"vec": [{"symbol": "Admin"}]}, "val": {"address": "G2"}}
    wasm_of = {"wasm": HASHES["old"]}
    instances = [
        {"contract_instance": {"executable": wasm_of, "storage": storage}}
        for storage in ([item], None)
    ]
    entries = [
        (MADE, "persistent", balance, {"i128": "5"}),
        (MADE, "temporary", {"symbol": "config"}, config),
        (MADE, "persistent", INSTANCE, instances[0]),
        (CHANGED, "persistent", INSTANCE, instances[1]),
        (STRANGER, "persistent", balance, config),
    ]
    with named.begin() as connection:
        for at, (contract, durability, key, value) in enumerate(entries):
            cells = {"at": str(at), "contract": contract, "durability": durability}
            stored = {"key": json.dumps(key), "value": json.dumps(value)}
            connection.execute(text(ENTRY), cells | stored)
    columns = "contract_id, durability, key_type, key, value_type, value"
    plain = {"fee": 1, "owner": "G1"}
    assert rows(named, f"SELECT {columns} FROM storage_named ORDER BY key_hash") == [
        (MADE, "persistent", "DataKey", {"Balance": "G1"}, None, "5"),
        (MADE, "temporary", None, "config", "Config", plain),
        (MADE, "instance", "DataKey", "Admin", None, "G2"),
        (STRANGER, "persistent", None, ["Balance", "G1"], None, plain),
    ]
