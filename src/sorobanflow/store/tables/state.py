"""Tables of the state of contracts and tokens; what all tables of state have in common.

Filtered streams write none of them: transactions that no filter selects change state too.
Invariant: an older change never overwrites a newer one, so ledgers may be stored in any order.
"""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from sorobanflow.store.tables import accounts
from sorobanflow.store.tables.columns import (
    CHANGE,
    change_columns,
    deleted_column,
    id_column,
    key_column,
    metadata,
    text_column,
)


class VersionGroup(NamedTuple):
    """Columns that change together, with the order of their last change."""

    order: tuple[str, ...]  # columns that locate the change, all null while none was seen
    data: tuple[str, ...]  # columns with the values after the change


def _ttl_columns() -> list[Column[int]]:
    return [
        Column(
            "live_until_ledger",
            BigInteger,
            comment="last ledger in which it is live; null: not seen, or evicted",
        ),
        Column("ttl_ledger", Integer, comment="ledger of the last change of live_until_ledger"),
        Column(
            "ttl_tx_order",
            Integer,
            comment="1-based order of that change's transaction; 1048577: eviction",
        ),
    ]


def _evicted() -> Column[bool]:
    return Column(
        "evicted",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether the ledger in ttl_ledger evicted it from the live state. A temporary "
        "entry is then deleted; another one can be restored",
    )


contract_data_entries = Table(
    "contract_data_entries",
    metadata,
    key_column("key_hash", "SHA-256 of the LedgerKey's XDR, hex"),
    id_column(
        "contract_id",
        "contract whose entry it is (C…); a nonce has an account (G…)",
        nullable=False,
    ),
    Column("durability", Text, nullable=False, comment="temporary or persistent"),
    Column("key", JSONB, nullable=False, comment="key, a SEP-51 value"),
    Column("value", JSONB, comment="value, a SEP-51 value; null: deleted, or never seen"),
    deleted_column("whether the last change removed it"),
    *change_columns(nullable=True),
    *_ttl_columns(),
    Column("created_ledger", Integer, comment="ledger of its last creation; null: not seen"),
    Column("created_tx_order", Integer, comment="1-based order of the creating transaction"),
    id_column("created_tx_hash", "the creating transaction"),
    _evicted(),
    Index(None, "contract_id"),
    # Small, and without it a contract's instance is one among all its entries.
    Index(
        "ix_contract_data_entries_instance",
        "contract_id",
        postgresql_where=text("""key = '"ledger_key_contract_instance"'::jsonb"""),
    ),
    # Small, and without it the creations of some ledgers are a scan of all storage.
    Index(
        None,
        "created_ledger",
        postgresql_where=text("""key = '"ledger_key_contract_instance"'::jsonb"""),
    ),
    comment="A contract's storage entry, its instance included, after the last change that was "
    "seen. Key: key_hash. Where ledger is null only its time to live was seen so far. "
    "Filtered streams write none.",
)

contract_code = Table(
    "contract_code",
    metadata,
    key_column("wasm_hash", "SHA-256 of the Wasm, hex"),
    Column("code", LargeBinary, comment="the Wasm; null: deleted, or never seen"),
    Column("size", Integer, comment="its length in bytes"),
    deleted_column("whether the last change removed it"),
    *change_columns(nullable=True),
    *_ttl_columns(),
    Column("first_ledger", Integer, comment="ledger of its upload; null: not seen"),
    Column("first_tx_order", Integer, comment="1-based order of the uploading transaction"),
    id_column("first_tx_hash", "the uploading transaction"),
    _evicted(),
    comment="The Wasm that contracts run, after the last change that was seen. Key: wasm_hash. "
    "Where ledger is null only its time to live was seen so far. Filtered streams write none.",
)

token_metadata = Table(
    "token_metadata",
    metadata,
    key_column("contract_id", "token contract (C…)"),
    text_column("name", "name, as the contract states it"),
    text_column("symbol", "symbol, as the contract states it"),
    Column("decimals", BigInteger, comment="decimal places of amounts, as stated"),
    id_column("admin", "administrator (G… or C…)"),
    id_column("asset", "CODE:ISSUER or native, of an asset contract; or null"),
    id_column("issuer", "issuer of that asset (G…)"),
    id_column("wasm_hash", "Wasm that it runs; null: it runs none"),
    deleted_column("whether the last change removed the contract's instance"),
    *change_columns(),
    comment="What a token contract's instance says of the token. Key: contract_id. "
    "Filtered streams write none.",
)

token_balances = Table(
    "token_balances",
    metadata,
    key_column("contract_id", "token contract (C…); of shares of a liquidity pool, the pool (L…)"),
    key_column("address", "holder (G… or C…; a claimable balance B…, a liquidity pool L…)"),
    Column(
        "amount",
        Numeric(39, 0),
        comment="in the token's smallest unit; 0 where deleted; "
        "null: the entry holds no form of balance that is known",
    ),
    Column("authorized", Boolean, comment="whether the holder may use it; null: not said"),
    Column("clawback", Boolean, comment="whether the issuer may take it back; null: not said"),
    id_column("asset", "CODE:ISSUER or native; null where source is contract_data or pool_share"),
    Column(
        "source",
        Text,
        nullable=False,
        comment="contract_data, trustline, account, claimable_balance, liquidity_pool (what it "
        "holds) or pool_share",
    ),
    deleted_column("whether the last change removed it"),
    *change_columns(),
    id_column("key_hash", "its entry in contract_data_entries, where source is contract_data"),
    Index(None, "address"),
    comment="A holder's balance of a token after the last change that was seen. "
    "Key: contract_id, address. Filtered streams write none.",
)

tokens = Table(
    "tokens",
    metadata,
    key_column("contract_id", "token contract (C…)"),
    id_column("asset", "CODE:ISSUER or native, where the contract id proves it"),
    comment="A contract of which a balance, a token operation or a token's instance was seen. "
    "Key: contract_id.",
)

token_answers = Table(
    "token_answers",
    metadata,
    key_column("contract_id", "token contract (C…)"),
    text_column("name", "name, as the contract states it"),
    text_column("symbol", "symbol, as the contract states it"),
    Column("decimals", BigInteger, comment="decimal places of amounts, as stated"),
    id_column("asset", "CODE:ISSUER or native, where the contract id proves it"),
    Column(
        "ledger",
        Integer,
        nullable=False,
        comment="ledger of the instance's last change; the node's newest if it has none",
    ),
    comment="What the node's own state said of a token whose instance is in no indexed ledger. "
    "Asked once; name is null where it describes no token. Key: contract_id.",
    info={"volatile": True},
)

_TTL = VersionGroup(("ttl_ledger", "ttl_tx_order"), ("live_until_ledger", "evicted"))


def _whole_row(table: Table) -> VersionGroup:
    """Group all columns outside the key under the order of the row's last change."""
    rest = [column.name for column in table.columns if not column.primary_key]
    return VersionGroup(CHANGE, tuple(name for name in rest if name not in CHANGE))


#: The groups of each state table. A column of neither key nor group follows from the key.
VERSION_GROUPS: dict[Table, tuple[VersionGroup, ...]] = {
    contract_data_entries: (
        VersionGroup(CHANGE, ("value", "deleted")),
        _TTL,
        VersionGroup(("created_ledger", "created_tx_order"), ("created_tx_hash",)),
    ),
    contract_code: (
        VersionGroup(CHANGE, ("code", "size", "deleted")),
        _TTL,
        VersionGroup(("first_ledger", "first_tx_order"), ("first_tx_hash",)),
    ),
    accounts.account_entries: (_whole_row(accounts.account_entries),),
    accounts.trust_lines: (_whole_row(accounts.trust_lines),),
    accounts.offers: (_whole_row(accounts.offers),),
    accounts.liquidity_pools: (_whole_row(accounts.liquidity_pools),),
    accounts.claimable_balances: (_whole_row(accounts.claimable_balances),),
    accounts.account_data: (_whole_row(accounts.account_data),),
    token_metadata: (_whole_row(token_metadata),),
    token_balances: (_whole_row(token_balances),),
}

#: State tables, in the order in which a batch writes them.
STATE_TABLES = tuple(VERSION_GROUPS)
