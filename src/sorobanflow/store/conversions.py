"""Statements that move rows of revision 0013 into today's tables, a range of ledgers each.

Old hashes were hex and keys of their own; today a row's place on the chain is its key. So rows of
operations, trades and calls take the order of their transaction, whose row moves last. Without
one they get a place of their own, below all transactions: nothing is lost. Assets of token
operations are in `tokens` since revision 0006.
"""

from collections.abc import Iterator

from sqlalchemy import Table, TextClause, text

from sorobanflow.store.tables import (
    PARTITIONED,
    contract_calls,
    events,
    operations,
    token_operations,
    trades,
    transactions,
)

_OPERATION_TYPES = (
    "create_account payment path_payment_strict_receive manage_sell_offer "
    "create_passive_sell_offer set_options change_trust allow_trust account_merge inflation "
    "manage_data bump_sequence manage_buy_offer path_payment_strict_send "
    "create_claimable_balance claim_claimable_balance begin_sponsoring_future_reserves "
    "end_sponsoring_future_reserves revoke_sponsorship clawback clawback_claimable_balance "
    "set_trust_line_flags liquidity_pool_deposit liquidity_pool_withdraw invoke_host_function "
    "extend_footprint_ttl restore_footprint"
)
_OF_TOKENS = "transfer mint burn clawback approve set_authorized set_admin fee"
_ORDER = "coalesce(t.application_order, -1 - (hashtext(o.tx_hash) & 1073741823))"
_TOID = "CAST(substr(o.event_id, 1, 19) AS bigint)"


def _number(names: str) -> str:
    """Write the place of the row's type in a list."""
    return f"array_position(string_to_array('{names}', ' '), o.type) - 1"


def _hash(column: str) -> str:
    return f"decode(o.{column}, 'hex')"


_OF_TRANSACTION = {"application_order": _ORDER, "tx_hash": _hash("tx_hash")}
#: Columns that are not as they were, over an old row `o` and its transaction `t`.
_EXPRESSIONS: dict[Table, dict[str, str]] = {
    events: {"tx_hash": _hash("tx_hash"), "is_system": "o.type = 'system'"},
    transactions: {
        "hash": _hash("hash"),
        "inner_hash": _hash("inner_hash"),
        "result_code": "nullif(o.result_code, 'tx_success')",
        "fee_account": "nullif(o.fee_account, o.source_account)",
        "inclusion_fee_charged": "CASE WHEN o.soroban_resource_fee IS NOT NULL "
        "THEN o.inclusion_fee_charged END",
        "memo_type": "nullif(o.memo_type, 'none')",
        "signatures": "stored.pack_signatures(o.signatures)",
        "inner_signatures": "stored.pack_signatures(o.inner_signatures)",
    },
    operations: _OF_TRANSACTION
    | {
        "type": _number(_OPERATION_TYPES),
        "result_code": "CASE WHEN o.successful THEN nullif(o.result_code, 'success') "
        "ELSE o.result_code END",
    },
    trades: _OF_TRANSACTION,
    token_operations: {
        "tx_hash": _hash("tx_hash"),
        "tx_index": f"{_TOID} >> 12 & 1048575",
        "op_index": f"{_TOID} & 4095",
        "event_index": "CAST(substr(o.event_id, 21) AS bigint)",
        "type": _number(_OF_TOKENS),
    },
    contract_calls: _OF_TRANSACTION,
}


def _statements() -> Iterator[TextClause]:
    for table in sorted(PARTITIONED, key=lambda one: one is transactions):
        changed = _EXPRESSIONS[table]
        names = table.columns.keys()
        values = ", ".join(changed.get(name, f"o.{name}") for name in names)
        order = (
            "LEFT JOIN unmoved.transactions AS t "
            "ON t.hash = o.tx_hash AND t.ledger BETWEEN :first AND :last "
        )
        yield text(
            f"WITH o AS (DELETE FROM unmoved.{table.name} "  # noqa: S608 - our own names
            "WHERE ledger BETWEEN :first AND :last RETURNING *) "
            f"INSERT INTO {table.fullname} ({', '.join(names)}) SELECT {values} FROM o "
            f"{order if 'application_order' in changed else ''}ON CONFLICT DO NOTHING"
        )


#: In the order of execution.
MOVE = tuple(_statements())
