"""Tables of which Wasm contracts run, and of what Wasms say of themselves.

Specs have one row for each thing declared. They follow from a Wasm, and are filled by
`sorobanflow.contracts.stored`. What is proved of when a contract ran what, the view
`contract_wasms` says.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables.columns import (
    change_key,
    id_column,
    key_column,
    metadata,
    number_key,
    required_column,
)

#: Of tables that depend on which node was asked, and when: not on the ledgers alone.
_ASKED = {"volatile": True}


def _of_wasm(name: str, comment: str, *columns: "Column[str] | Column[int] | Index") -> Table:
    """Make a table of what a Wasm declares, in the order of its spec."""
    wasm = key_column("wasm_hash", "SHA-256 of the Wasm, hex")
    place = number_key("position", "0-based order in the spec")
    comment += " Key: both first."
    return Table(name, metadata, wasm, place, *columns, comment=comment, info=_ASKED)


def _name(comment: str = "its name, in SEP-51 escapes") -> Column[str]:
    return id_column("name", comment, nullable=False)


def _doc() -> Column[str]:
    return required_column("doc", Text, "what the contract says of it; may be empty")


def _decoder(nullable: bool = False, comment: str = "") -> "Column[str]":
    said = f"the same for the functions that decode in the views{comment}"
    return Column("decoder", JSONB(none_as_null=True), nullable=nullable, comment=said)


_RUNS = "SHA-256 of the Wasm that it runs, hex; stellar-asset: it is an asset's"

contract_executables = Table(
    "contract_executables",
    metadata,
    key_column("contract_id", "contract (C…)"),
    *change_key(),
    required_column(
        "kind",
        Text,
        "created, restored, removed or updated; updated also where the "
        "contract replaced its Wasm in the transaction that created it",
    ),
    id_column("wasm_hash", f"{_RUNS}; null: it was removed"),
    id_column("wasm_before", "the same before the change; null: there was none, or not known"),
    comment="A change of what a contract runs, as its instance says. Key: contract_id and the "
    "four columns of the place. Filtered streams write none.",
)
contracts = Table(
    "contracts",
    metadata,
    key_column("contract_id", "contract (C…)"),
    comment="A contract that emitted an event or was called: where no ledger tells what it runs, "
    "a node is asked. Key: contract_id.",
)
contract_answers = Table(
    "contract_answers",
    metadata,
    key_column("contract_id", "contract (C…)"),
    number_key(
        "last_modified_ledger",
        "ledger of its instance's last change; the node's newest if it has none",
    ),
    id_column("wasm_hash", f"{_RUNS}; null: the node has no instance"),
    required_column("asked_ledger", Integer, "the node's newest ledger when it was asked"),
    comment="What the state of a node said of a contract: it runs this from the end of "
    "last_modified_ledger to the end of asked_ledger. Key: contract_id, last_modified_ledger.",
    info=_ASKED,
)

contract_specs = Table(
    "contract_specs",
    metadata,
    key_column("wasm_hash", "SHA-256 of the Wasm, hex"),
    Column("protocol", BigInteger, comment="version of the protocol that it was built for"),
    Column(
        "problems",
        JSONB,
        comment="why there is no spec, metadata or protocol; []: none; null: its code is not "
        "known, or was not read yet",
    ),
    Column("spec", LargeBinary, comment="its section contractspecv0, XDR; null: none can be read"),
    Column(
        "asked_ledger",
        Integer,
        comment="the newest ledger of the node that was asked for its code and lacks it",
    ),
    comment="A Wasm that a contract runs or that was uploaded: whether its spec (SEP-48) was "
    "read, and what of it could not be. Key: wasm_hash.",
    info=_ASKED,
)
contract_functions = _of_wasm(
    "contract_functions",
    "A function that a Wasm declares.",
    _name(),
    required_column("inputs", JSONB, "arguments in order: name, type as in Rust, doc"),
    required_column("output", Text, "type of the result as in Rust; (): none"),
    _doc(),
    _decoder(),
    Index("ix_contract_functions_name", "wasm_hash", "name"),
)
contract_types = _of_wasm(
    "contract_types",
    "A type that a Wasm declares, errors among them.",
    _name(),
    required_column("kind", Text, "struct, union, enum or error_enum"),
    required_column("members", JSONB, "fields, cases or values in order, with their docs"),
    _doc(),
    _decoder(True, "; null: no union, and no struct with names"),
)
contract_events = _of_wasm(
    "contract_events",
    "An event that a Wasm declares; several may have one name.",
    _name(),
    required_column("prefix_topics", JSONB, "its first topics, symbols or strings"),
    required_column("params", JSONB, "parameters: name, type as in Rust, location, doc"),
    required_column("data_format", Text, "single_value, vec or map"),
    _doc(),
    _decoder(),
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
