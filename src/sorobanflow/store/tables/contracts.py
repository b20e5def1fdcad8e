"""Tables of what contracts say of themselves: their specs, one row for each thing declared.

They follow from `contract_code`, and are filled by `sorobanflow.contracts.stored`.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables.columns import (
    id_column,
    key_column,
    metadata,
    number_key,
    required_column,
)


def _of_wasm(name: str, comment: str, *columns: "Column[str] | Column[int]") -> Table:
    """Make a table of what a Wasm declares, in the order of its spec."""
    wasm = key_column("wasm_hash", "SHA-256 of the Wasm, hex")
    place = number_key("position", "0-based order in the spec")
    return Table(name, metadata, wasm, place, *columns, comment=f"{comment} Key: both first.")


def _name(comment: str = "its name, in SEP-51 escapes") -> Column[str]:
    return id_column("name", comment, nullable=False)


def _doc() -> Column[str]:
    return required_column("doc", Text, "what the contract says of it; may be empty")


contract_specs = Table(
    "contract_specs",
    metadata,
    key_column("wasm_hash", "SHA-256 of the Wasm, hex"),
    Column("protocol", BigInteger, comment="version of the protocol that it was built for"),
    required_column("problems", JSONB, "why there is no spec, metadata or protocol; []: none"),
    Column("spec", LargeBinary, comment="its section contractspecv0, XDR; null: none can be read"),
    comment="A Wasm whose spec (SEP-48) was read, and what of it could not be. Key: wasm_hash. "
    "Filtered streams store no Wasm, so they write none.",
)
contract_functions = _of_wasm(
    "contract_functions",
    "A function that a Wasm declares.",
    _name(),
    required_column("inputs", JSONB, "arguments in order: name, type as in Rust, doc"),
    required_column("output", Text, "type of the result as in Rust; (): none"),
    _doc(),
)
contract_types = _of_wasm(
    "contract_types",
    "A type that a Wasm declares, errors among them.",
    _name(),
    required_column("kind", Text, "struct, union, enum or error_enum"),
    required_column("members", JSONB, "fields, cases or values in order, with their docs"),
    _doc(),
)
contract_events = _of_wasm(
    "contract_events",
    "An event that a Wasm declares; several may have one name.",
    _name(),
    required_column("prefix_topics", JSONB, "its first topics, symbols or strings"),
    required_column("params", JSONB, "parameters: name, type as in Rust, location, doc"),
    required_column("data_format", Text, "single_value, vec or map"),
    _doc(),
)
contract_errors = _of_wasm(
    "contract_errors",
    "An error that a Wasm declares, by its code; the order is that of codes in enums.",
    id_column("type", "the enum of errors", nullable=False),
    required_column("code", BigInteger, "u32, as in an error of type contract"),
    _name(),
    _doc(),
)
contract_meta = _of_wasm(
    "contract_meta",
    "What a Wasm says of its making (SEP-46), such as rsver, or sep: the SEPs it claims (SEP-47). "
    "Nobody checks it.",
    id_column("key", "the key, which may repeat", nullable=False),
    required_column("value", Text, "its value"),
)

inferred_events = Table(
    "inferred_events",
    metadata,
    key_column("contract_id", "the contract (C…)"),
    number_key("position", "0-based order"),
    _name("its first topics that are symbols, joined by _"),
    required_column("prefix_topics", JSONB, "these first topics, symbols or strings"),
    required_column("params", JSONB, "parameters: name, type as in Rust, location"),
    required_column("data_format", Text, "single_value, vec or map"),
    required_column("first_ledger", Integer, "ledger of the first event of the shape"),
    required_column("event_count", BigInteger, "events that the shape was learnt from"),
    comment="A shape of events that no Wasm of the contract declares, learnt from stored events by "
    "`sorobanflow contract add`. Key: both first.",
)

#: The tables that a Wasm fills, besides `contract_specs`.
SPEC_TABLES = (
    contract_functions,
    contract_types,
    contract_events,
    contract_errors,
    contract_meta,
)
