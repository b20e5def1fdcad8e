"""Tables of what contracts say of themselves"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TEXT, _ID, _JSON = sa.Text(), sa.Text(collation="C"), postgresql.JSONB()


def _column(name: str, kind: Any, comment: str) -> sa.Column[Any]:  # noqa: ANN401 - a type
    return sa.Column(name, kind, nullable=False, comment=comment)


def _wasm_hash() -> sa.Column[Any]:
    return _column("wasm_hash", _ID, "SHA-256 of the Wasm, hex")


def _create(name: str, comment: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        _wasm_hash(),
        _column("position", sa.Integer(), "0-based order in the spec"),
        *columns,
        sa.PrimaryKeyConstraint("wasm_hash", "position", name=op.f(f"pk_{name}")),
        comment=f"{comment} Key: both first.",
    )


def _name() -> sa.Column[Any]:
    return _column("name", _ID, "its name, in SEP-51 escapes")


def _doc() -> sa.Column[Any]:
    return _column("doc", _TEXT, "what the contract says of it; may be empty")


def _decoder(nullable: bool = False, comment: str = "") -> sa.Column[Any]:
    said = f"the same for the functions that decode in the views{comment}"
    return sa.Column("decoder", _JSON, nullable=nullable, comment=said)


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "contract_specs",
        _wasm_hash(),
        sa.Column(
            "protocol",
            sa.BigInteger(),
            nullable=True,
            comment="version of the protocol that it was built for",
        ),
        sa.Column(
            "problems",
            _JSON,
            comment="why there is no spec, metadata or protocol; []: none; null: its code is not "
            "known, or was not read yet",
        ),
        sa.Column(
            "spec",
            sa.LargeBinary(),
            nullable=True,
            comment="its section contractspecv0, XDR; null: none can be read",
        ),
        sa.PrimaryKeyConstraint("wasm_hash", name=op.f("pk_contract_specs")),
        comment="A Wasm that a contract runs or that was uploaded: whether its spec (SEP-48) was "
        "read, and what of it could not be. Key: wasm_hash.",
    )
    _create(
        "contract_functions",
        "A function that a Wasm declares.",
        _name(),
        _column("inputs", _JSON, "arguments in order: name, type as in Rust, doc"),
        _column("output", _TEXT, "type of the result as in Rust; (): none"),
        _doc(),
        _decoder(),
    )
    _create(
        "contract_types",
        "A type that a Wasm declares, errors among them.",
        _name(),
        _column("kind", _TEXT, "struct, union, enum or error_enum"),
        _column("members", _JSON, "fields, cases or values in order, with their docs"),
        _doc(),
        _decoder(True, "; null: no union, and no struct with names"),
    )
    _create(
        "contract_events",
        "An event that a Wasm declares; several may have one name.",
        _name(),
        _column("prefix_topics", _JSON, "its first topics, symbols or strings"),
        _column("params", _JSON, "parameters: name, type as in Rust, location, doc"),
        _column("data_format", _TEXT, "single_value, vec or map"),
        _doc(),
        _decoder(),
    )
    op.create_index("ix_contract_functions_name", "contract_functions", ["wasm_hash", "name"])
    _create(
        "contract_errors",
        "An error that a Wasm declares, by its code; the order is that of codes in enums.",
        _column("type", _ID, "the enum of errors"),
        _column("code", sa.BigInteger(), "u32, as in an error of type contract"),
        _name(),
        _doc(),
    )
    _create(
        "contract_meta",
        "What a Wasm says of its making (SEP-46), such as rsver, or sep: the SEPs it claims "
        "(SEP-47). Nobody checks it.",
        _column("key", _ID, "the key, which may repeat"),
        _column("value", _TEXT, "its value"),
    )

    op.create_table(
        "inferred_events",
        _column("contract_id", _ID, "the contract (C…)"),
        _column("position", sa.Integer(), "0-based order"),
        _column("name", _ID, "its first topics that are symbols, joined by _"),
        _column("prefix_topics", _JSON, "these first topics, symbols or strings"),
        _column("params", _JSON, "parameters: name, type as in Rust, location"),
        _column("data_format", _TEXT, "single_value, vec or map"),
        _column("first_ledger", sa.Integer(), "ledger of the first event of the shape"),
        _column("event_count", sa.BigInteger(), "events that the shape was learnt from"),
        sa.PrimaryKeyConstraint("contract_id", "position", name=op.f("pk_inferred_events")),
        comment="A shape of events that no Wasm of the contract declares, learnt from stored "
        "events by `sorobanflow contract add`. Key: both first.",
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("inferred_events")
    for name in ("meta", "errors", "events", "types", "functions", "specs"):
        op.drop_table(f"contract_{name}")
