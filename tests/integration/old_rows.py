"""Rows as the last release stored them: every column and every type, in SQL of revision 0013.

Each ledger has three transactions (1: Soroban, 2: failed, 3: classic), nine operations in each,
an event of each type of token operation, two trades and three calls.
"""

from sqlalchemy import Connection, text

OPERATIONS = (
    "create_account payment path_payment_strict_receive manage_sell_offer "
    "create_passive_sell_offer set_options change_trust allow_trust account_merge inflation "
    "manage_data bump_sequence manage_buy_offer path_payment_strict_send "
    "create_claimable_balance claim_claimable_balance begin_sponsoring_future_reserves "
    "end_sponsoring_future_reserves revoke_sponsorship clawback clawback_claimable_balance "
    "set_trust_line_flags liquidity_pool_deposit liquidity_pool_withdraw invoke_host_function "
    "extend_footprint_ttl restore_footprint"
)
TOKENS = "transfer mint burn clawback approve set_authorized set_admin fee"

_HASH = "md5(l || ' ' || n) || md5(n || ' ' || l)"
_LEDGERS = "generate_series(CAST(:first AS int), CAST(:last AS int)) AS l"
_CLOSED = "timestamptz '2026-01-01' + l * interval '5 s'"
_TOID = "((l::bigint << 32) | (tx::bigint << 12) | op)::text"
_ID = f"lpad({_TOID}, 19, '0') || '-' || lpad(i::text, 10, '0')"
_SIGNATURES = """jsonb_build_array(
    jsonb_build_object('hint', '0a0b0c0d', 'signature', repeat('ab', 64)),
    jsonb_build_object('hint', '00000000', 'signature', repeat('00', n)),
    jsonb_build_object('hint', 'ffffffff', 'signature', '')
)"""
_PLACES = f"""
    SELECT l, n, tx, op, (l + n) % 4 AS i, split_part(:tokens, ' ', n) AS type
    FROM {_LEDGERS}, (VALUES
        (1, 1, 0), (2, 1, 3), (3, 2, 0), (4, 2, 4095), (5, 3, 1), (6, 3, 2),
        (7, 3, 3), (8, 0, 0), (8, 1048575, 4095)
    ) AS p (n, tx, op)
"""
_ROWS = (
    "INSERT INTO tokens VALUES ('C0', NULL), ('C1', 'native')",
    f"""
    INSERT INTO ledgers (sequence, closed_at, transaction_count, event_count)
    SELECT l, {_CLOSED}, 3, 9 FROM {_LEDGERS}
    """,
    f"""
    INSERT INTO events
    SELECT {_ID}, l, {_CLOSED}, {_HASH}, tx, op, i, CASE n WHEN 4 THEN 'system' ELSE 'contract' END,
        CASE n WHEN 4 THEN NULL ELSE 'C' || n % 2 END, jsonb_build_array(n, l),
        to_jsonb(repeat('x', l % 5000)),
        CASE n WHEN 1 THEN true WHEN 2 THEN false END
    FROM ({_PLACES}) AS p
    """,
    f"""
    INSERT INTO transactions
    SELECT {_HASH}, l, n, {_CLOSED}, n <> 2, CASE n WHEN 2 THEN 'tx_failed' ELSE 'tx_success' END,
        CASE n WHEN 1 THEN '{{"u32": 1}}'::jsonb END, 'G' || n,
        CASE n WHEN 1 THEN 18446744073709551615 END, CASE n WHEN 3 THEN 'G9' ELSE 'G' || n END,
        CASE n WHEN 3 THEN 7 END, 200, 100 + n,
        CASE n WHEN 1 THEN 60 WHEN 3 THEN 100 + n END,
        l * 2 ^ 32, CASE n WHEN 1 THEN 'none' WHEN 2 THEN 'text' ELSE 'id' END,
        CASE n WHEN 2 THEN '' WHEN 3 THEN '5' END, n, CASE n WHEN 1 THEN 0 END, n + 1,
        CASE n WHEN 3 THEN 0 END, n + 2, n + 3, n + 4, CASE n WHEN 2 THEN '["G7"]'::jsonb END,
        CASE n WHEN 1 THEN '[]' ELSE {_SIGNATURES} END, n = 3,
        CASE n WHEN 3 THEN md5('inner' || l) || md5(l::text) END,
        CASE n WHEN 3 THEN 90 END, CASE n WHEN 3 THEN 'tx_success' END,
        CASE n WHEN 3 THEN {_SIGNATURES} END, 9,
        CASE WHEN n < 3 THEN 50 + n END, CASE WHEN n < 3 THEN '{{"instructions": 7}}'::jsonb END,
        CASE n WHEN 1 THEN '[0, 2]'::jsonb END,
        CASE n WHEN 1 THEN 11 END, CASE n WHEN 1 THEN 12 END, CASE n WHEN 1 THEN 13 END,
        CASE n WHEN 1 THEN 14 END
    FROM {_LEDGERS}, generate_series(1, 3) AS n
    """,
    f"""
    INSERT INTO operations
    SELECT {_HASH}, op, l, {_CLOSED}, split_part(:operations, ' ', 9 * (n - 1) + op + 1), 'G' || op,
        CASE op WHEN 3 THEN 18446744073709551615 END, jsonb_build_object('op', op),
        CASE WHEN n <> 2 THEN 'success'
            ELSE (ARRAY[NULL, 'success', 'underfunded'])[op % 3 + 1] END,
        CASE op WHEN 4 THEN '{{"offers": []}}'::jsonb END, n <> 2
    FROM {_LEDGERS}, generate_series(1, 3) AS n,
        generate_series(0, 8) AS op
    """,
    f"""
    INSERT INTO trades
    SELECT {_HASH}, 3, i, l, {_CLOSED}, CASE i WHEN 0 THEN 'order_book' ELSE 'liquidity_pool' END,
        CASE i WHEN 0 THEN 'G5' END, CASE i WHEN 0 THEN 77 END, CASE WHEN i > 0 THEN 'L1' END, 'G6',
        'native', CASE i WHEN 2 THEN 0 ELSE 6 END, 'ABC:G1', 4,
        CASE WHEN i < 2 THEN 2 END, CASE WHEN i < 2 THEN 3 END
    FROM {_LEDGERS}, generate_series(3, 3) AS n, generate_series(0, 2) AS i
    """,
    f"""
    INSERT INTO token_operations
    SELECT {_ID}, l, {_CLOSED}, {_HASH},
        CASE WHEN type <> 'fee' AND op <> 4095 THEN op END, 'C' || n % 2, type,
        CASE n WHEN 2 THEN NULL ELSE 'G1' END, CASE n WHEN 1 THEN 'C0' END,
        CASE n WHEN 7 THEN 'G8' END,
        CASE n WHEN 6 THEN NULL ELSE -170141183460469231731687303715884105728 END,
        CASE n WHEN 6 THEN false END, CASE n WHEN 5 THEN 4294967295 END,
        CASE n WHEN 1 THEN '7' END, CASE n WHEN 1 THEN 'u64' END,
        CASE n % 2 WHEN 1 THEN 'native' END, tx <> 2
    FROM ({_PLACES}) AS p
    """,
    f"""
    INSERT INTO contract_calls
    SELECT {_HASH}, i, l, {_CLOSED}, i, CASE WHEN i > 0 THEN i - 1 END, 'C' || i, 'f' || i,
        CASE i WHEN 1 THEN NULL ELSE '[1]'::jsonb END, CASE i WHEN 0 THEN '2'::jsonb END, i < 2,
        CASE i WHEN 0 THEN '{{"cpu_insn": 5}}'::jsonb END
    FROM {_LEDGERS}, generate_series(1, 1) AS n, generate_series(0, 2) AS i
    """,
)


def store_old_rows(connection: Connection, first: int, last: int) -> None:
    """Store the rows of these ledgers, in a database of revision 0013."""
    values = {"first": first, "last": last, "tokens": TOKENS, "operations": OPERATIONS}
    for statement in _ROWS:
        connection.execute(text(statement), values)
