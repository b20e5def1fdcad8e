"""What operations did: results, return values, parts of fees, trades, and contract calls

The new columns stand beside those that they belong to, so `transactions` and `operations` are
copied. Rows that are stored already lack what is new: index their ledgers again to have it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.rebuild import NewColumn, rebuild_table

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TRANSACTIONS = {
    "result_code": [
        NewColumn(
            "return_value",
            "jsonb",
            "what its contract call returned, a SEP-51 value; null: failed, or no such call",
        ),
    ],
    "fee_charged": [
        NewColumn(
            "inclusion_fee_charged",
            "bigint",
            "of the fee charged, without the resource fee, stroops; all of it if the transaction "
            "is classic; null: not known",
        ),
    ],
    "soroban_resources": [
        NewColumn(
            "soroban_archived_entries",
            "jsonb",
            "0-based positions in the footprint's read_write of archived entries that it restores "
            "before it runs (CAP-66)",
        ),
    ],
    "rent_fee_charged": [
        NewColumn(
            "resource_fee_refund",
            "bigint",
            "of the resource fee offered, stroops; null: classic, or not known",
        ),
    ],
}
_OPERATIONS = {
    "result_code": [
        NewColumn(
            "result",
            "jsonb",
            "what the result holds beside its code, e.g. offers claimed, SEP-51; null: nothing",
        ),
    ],
}
#: As revision 0002 made it: it is to read the new table.
_CONTRACT_CREATIONS = """
CREATE OR REPLACE VIEW contract_creations AS
SELECT
    e.contract_id,
    e.value #>> '{contract_instance,executable,wasm}' AS wasm_hash,
    e.value #>> '{contract_instance,executable}' = 'stellar_asset' AS asset_contract,
    e.created_ledger AS ledger,
    l.closed_at,
    e.created_tx_hash AS tx_hash,
    t.source_account
FROM contract_data_entries AS e
LEFT JOIN ledgers AS l ON l.sequence = e.created_ledger
LEFT JOIN transactions AS t ON t.hash = e.created_tx_hash
WHERE e.key = '"ledger_key_contract_instance"'::jsonb AND e.created_ledger IS NOT NULL
"""


def upgrade() -> None:
    """Apply the change."""
    rebuild_table("transactions", added=_TRANSACTIONS, before_drop=_keep_view)
    rebuild_table("operations", added=_OPERATIONS)
    _create_trades()
    _create_contract_calls()


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("contract_calls")
    op.drop_table("trades")
    for table, columns in (("operations", _OPERATIONS), ("transactions", _TRANSACTIONS)):
        names = [one.name for some in columns.values() for one in some]
        rebuild_table(table, removed=names, before_drop=_keep_view)


def _keep_view() -> None:
    op.execute(_CONTRACT_CREATIONS)


def _create_trades() -> None:
    op.create_table(
        "trades",
        _id("tx_hash", "its transaction", nullable=False),
        _integer("op_index", "0-based operation that made it"),
        _integer("trade_index", "0-based order in the operation"),
        *_place(),
        sa.Column("type", sa.Text(), nullable=False, comment="order_book or liquidity_pool"),
        _id("seller", "owner of the offer (G…); null for a pool"),
        sa.Column("offer_id", sa.BigInteger(), comment="the offer; null for a pool"),
        _id("pool_id", "the liquidity pool (L…); null for an offer"),
        _id("buyer", "source of the operation (G…)", nullable=False),
        _id("sold_asset", "what seller or pool gave, CODE:ISSUER or native", nullable=False),
        _amount("sold_amount"),
        _id("bought_asset", "what seller or pool got, CODE:ISSUER or native", nullable=False),
        _amount("bought_amount"),
        sa.Column(
            "price_n",
            sa.BigInteger(),
            comment="numerator of bought_amount / sold_amount, reduced; null where nothing was sold",
        ),
        sa.Column(
            "price_d", sa.BigInteger(), comment="its denominator; null where nothing was sold"
        ),
        sa.PrimaryKeyConstraint("tx_hash", "op_index", "trade_index", name="pk_trades"),
        comment="A trade: an offer or a liquidity pool that an operation of a successful "
        "transaction took from (ClaimAtom). Key: tx_hash, op_index, trade_index.",
    )
    for columns in (["ledger"], ["seller", "ledger"], ["buyer", "ledger"]):
        _index("trades", *columns)
    _index("trades", "sold_asset", "bought_asset", "ledger")


def _create_contract_calls() -> None:
    op.create_table(
        "contract_calls",
        _id("tx_hash", "its transaction", nullable=False),
        _integer("call_index", "0-based order of the calls in the transaction"),
        *_place(),
        _integer("depth", "0 of a call that no other one made"),
        sa.Column(
            "parent_index", sa.Integer(), comment="call_index of the call that made it, if any"
        ),
        _id("contract_id", "called contract (C…), if the event names one"),
        sa.Column(
            "function",
            sa.Text(),
            nullable=False,
            comment="name of the function, in SEP-51 escapes",
        ),
        sa.Column(
            "arguments",
            JSONB(),
            comment="arguments in order, SEP-51 values; a single vec or void looks like its "
            "items, or none; null: larger than 64 KiB",
        ),
        sa.Column(
            "result",
            JSONB(),
            comment="what it returned, a SEP-51 value; null: it did not, or larger than 64 KiB",
        ),
        sa.Column("returned", sa.Boolean(), nullable=False, comment="whether its return was seen"),
        sa.Column(
            "core_metrics", JSONB(), comment="of call 0: figures of the transaction, by name"
        ),
        sa.PrimaryKeyConstraint("tx_hash", "call_index", name="pk_contract_calls"),
        comment="A call of a contract's function, as diagnostic events tell it; only if they are "
        "asked for, and the source has them. They are not on the chain: nothing proves them, and "
        "an audit does not compare them. Key: tx_hash, call_index.",
    )
    _index("contract_calls", "ledger")
    _index("contract_calls", "contract_id", "ledger")


def _place() -> "tuple[sa.Column[int], sa.Column[Any]]":
    time: sa.Column[Any] = sa.Column(
        "closed_at",
        sa.DateTime(timezone=True),
        nullable=False,
        comment="close time of the ledger",
    )
    return _integer("ledger", "sequence of the ledger"), time


def _id(name: str, comment: str, nullable: bool = True) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(collation="C"), nullable=nullable, comment=comment)


def _integer(name: str, comment: str) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False, comment=comment)


def _amount(name: str) -> "sa.Column[int]":
    comment = "how much of it, in units of 0.0000001"
    return sa.Column(name, sa.BigInteger(), nullable=False, comment=comment)


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, [*columns])
