"""Specs of stored Wasms, in their tables: once each, whatever they hold."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from sorobanflow.contracts.reading import read_interface
from sorobanflow.contracts.stored import ASSET_HASH, MAX_WASMS, read_spec, store_specs
from tests.unit.spec_xdr import HEAD, section


def add_code(engine: Engine, *codes: bytes) -> None:
    insert = text(
        "INSERT INTO contract_code (wasm_hash, code, deleted) VALUES (:hash, :code, false)"
    )
    rows = [{"hash": sha256(code).hexdigest(), "code": code} for code in codes]
    with engine.begin() as connection:
        connection.execute(insert, rows)


def query(engine: Engine, statement: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_specs_of_all_real_wasms_are_stored_once_by_two(engine: Engine, test_data: Path) -> None:
    codes = [path.read_bytes() for path in (test_data / "wasms").glob("*.wasm")]
    assert len(codes) > MAX_WASMS  # more than one transaction reads
    add_code(engine, *codes)
    with ThreadPoolExecutor(2) as runs:
        assert max(runs.map(store_specs, (engine, engine))) >= MAX_WASMS
    assert store_specs(engine) == 0
    with engine.begin() as connection:
        for code in codes:
            spec = read_interface(code).spec
            assert read_spec(connection, sha256(code).hexdigest()) == spec
    stored = "SELECT count(*), count(*) FILTER (WHERE problems = '[]') FROM contract_specs"
    assert query(engine, stored) == [(38, 38)]  # with that of asset contracts
    error = (
        "SELECT type, code, name, doc FROM contract_errors "
        "WHERE wasm_hash LIKE '7c0dea81a72d%' ORDER BY position"
    )
    assert query(engine, error)[0] == (
        "Error",
        1,
        "NumberMustBeOdd",
        "Please provide an odd number",
    )
    swap = (
        "SELECT prefix_topics, params->1, data_format FROM contract_events WHERE name = 'SwapEvent'"
    )
    card = {"name": "card", "type": "RoyalCard", "location": "topics", "doc": ""}
    assert query(engine, swap) == [(["swap", "pool"], card, "map")]
    function = (
        "SELECT inputs, output FROM contract_functions "
        "WHERE wasm_hash LIKE '7c0dea81a72d%' AND name = 'strukt_hel'"
    )
    strukt = {"name": "strukt", "type": "Test", "doc": ""}
    assert query(engine, function) == [([strukt], "soroban_sdk::Vec<soroban_sdk::Symbol>")]
    kinds = "SELECT kind, count(*) FROM contract_types GROUP BY kind ORDER BY kind"
    assert [kind for kind, _ in query(engine, kinds)] == ["enum", "error_enum", "struct", "union"]
    made = "SELECT DISTINCT key FROM contract_meta WHERE value LIKE '21.%'"
    assert query(engine, made) == [("rssdkver",)]


def test_a_wasm_whose_spec_cannot_be_read_is_noted_once(engine: Engine) -> None:
    add_code(engine, b"no Wasm", HEAD, HEAD + section("contractspecv0", b"\0\0\0\6"))
    assert (store_specs(engine), store_specs(engine)) == (3, 0)
    problems = {
        one for (row,) in query(engine, "SELECT problems FROM contract_specs") for one in row
    }
    for reason in ("no Wasm module", "0 sections contractspecv0", "SCSpecEntry has no arm 6"):
        assert any(reason in one for one in problems)
    assert query(engine, "SELECT DISTINCT wasm_hash FROM contract_functions") == [(ASSET_HASH,)]
