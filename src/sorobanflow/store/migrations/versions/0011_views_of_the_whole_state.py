"""Views: what can be spent, trades, path payments, pools, claims, calls, and the timeline

They read what is stored. Results of operations are null, and trades lacking, where a ledger was
indexed before revision 0010: index it again to have them.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _asset(value: str) -> str:
    """Write an Asset in SEP-51 form as native or CODE:ISSUER."""
    credit = [f"{value} -> 'credit_alphanum{size}'" for size in (4, 12)]
    issued = [f"(({one}) ->> 'asset_code') || ':' || (({one}) ->> 'issuer')" for one in credit]
    return f"coalesce({', '.join(issued)}, {value} #>> '{{}}')"


def _scaled(amount: str) -> str:
    """Scale an amount of a classic asset; a product of numerics is exact."""
    return f"trim_scale({amount} * 0.0000001)"


_ACCOUNT_SPENDABLE = f"""
SELECT
    e.account_id,
    e.balance,
    e.selling_liabilities,
    r.reserve,
    s.spendable,
    {_scaled("s.spendable")} AS scaled_spendable,
    e.buying_liabilities,
    e.subentry_count,
    e.sponsoring_count,
    e.sponsored_count,
    b.base_reserve,
    e.ledger,
    e.refund_unknown
FROM account_entries AS e
CROSS JOIN (
    SELECT coalesce(
        (SELECT l.base_reserve FROM ledgers AS l
        WHERE l.hash IS NOT NULL ORDER BY l.sequence DESC LIMIT 1),
        5000000
    )
) AS b (base_reserve)
CROSS JOIN LATERAL (
    SELECT (2 + e.subentry_count + e.sponsoring_count - e.sponsored_count) * b.base_reserve
) AS r (reserve)
CROSS JOIN LATERAL (
    SELECT greatest(e.balance - e.selling_liabilities - r.reserve, 0)
) AS s (spendable)
WHERE NOT e.deleted
"""  # noqa: S608 - our own columns
_ACCOUNT_SPENDABLE_COLUMNS = {
    "account_id": "account (G…)",
    "balance": "native balance, stroops",
    "selling_liabilities": "what its offers may take of it, stroops (CAP-3)",
    "reserve": "what it has to keep: (2 + subentry_count + sponsoring_count - sponsored_count) "
    "x base_reserve, stroops (CAP-33)",
    "spendable": "balance - selling_liabilities - reserve, or 0, stroops",
    "scaled_spendable": "the same in XLM",
    "buying_liabilities": "what its offers may add to it, stroops",
    "subentry_count": "entries that it owns; a trust line of pool shares counts as two (CAP-38)",
    "sponsoring_count": "reserves of others that it pays",
    "sponsored_count": "reserves of it that others pay",
    "base_reserve": "of the newest stored header, stroops; 5000000 (0.5 XLM) where none is stored",
    "ledger": "ledger of the account's last change",
    "refund_unknown": "whether a refund of fees may be missing: the node stated no fees",
}

_TRUST_LINE_SPENDABLE = f"""
SELECT
    t.account_id,
    t.asset,
    split_part(t.asset, ':', 1) AS code,
    t.balance,
    t.selling_liabilities,
    s.spendable,
    {_scaled("s.spendable")} AS scaled_spendable,
    t.trust_limit,
    t.buying_liabilities,
    s.receivable,
    t.authorized,
    t.authorized_to_maintain_liabilities,
    t.ledger
FROM trust_lines AS t
CROSS JOIN LATERAL (SELECT
    CASE WHEN t.authorized THEN t.balance - t.selling_liabilities ELSE 0 END,
    CASE WHEN t.authorized THEN t.trust_limit - t.balance - t.buying_liabilities ELSE 0 END
) AS s (spendable, receivable)
WHERE NOT t.deleted AND t.asset LIKE '%:%'
"""  # noqa: S608 - our own columns
_TRUST_LINE_SPENDABLE_COLUMNS = {
    "account_id": "account that holds it (G…)",
    "asset": "CODE:ISSUER",
    "code": "code of the asset",
    "balance": "in units of 1/10,000,000",
    "selling_liabilities": "what the account's offers may take of it (CAP-3)",
    "spendable": "balance - selling_liabilities; 0 where authorized is false",
    "scaled_spendable": "the same in units of the asset",
    "trust_limit": "most that it may hold",
    "buying_liabilities": "what the account's offers may add to it (CAP-3)",
    "receivable": "trust_limit - balance - buying_liabilities; 0 where authorized is false",
    "authorized": "whether the issuer allows its use",
    "authorized_to_maintain_liabilities": "whether, where not authorized, the issuer lets open "
    "offers stay (CAP-18)",
    "ledger": "ledger of the trust line's last change",
}

_TRADE_PRICES = f"""
SELECT
    t.ledger,
    t.closed_at,
    t.sold_asset,
    split_part(t.sold_asset, ':', 1) AS sold_code,
    {_scaled("t.sold_amount")} AS scaled_sold_amount,
    t.bought_asset,
    split_part(t.bought_asset, ':', 1) AS bought_code,
    {_scaled("t.bought_amount")} AS scaled_bought_amount,
    t.price_n::numeric / t.price_d AS price,
    t.type,
    coalesce(t.seller, t.pool_id) AS seller,
    t.buyer,
    t.offer_id,
    t.tx_hash,
    t.op_index,
    t.trade_index
FROM trades AS t
"""  # noqa: S608 - our own columns
_TRADE_PRICES_COLUMNS = {
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "sold_asset": "what the seller gave: native or CODE:ISSUER",
    "sold_code": "its code; native for XLM",
    "scaled_sold_amount": "how much of it, in units of the asset, exact",
    "bought_asset": "what the seller got: native or CODE:ISSUER",
    "bought_code": "its code; native for XLM",
    "scaled_bought_amount": "how much of it, in units of the asset, exact",
    "price": "bought_asset for one sold_asset, rounded; null where nothing was sold",
    "type": "order_book or liquidity_pool",
    "seller": "owner of the offer (G…), or the pool (L…)",
    "buyer": "source of the operation (G…)",
    "offer_id": "the offer; null for a pool",
    "tx_hash": "its transaction",
    "op_index": "0-based operation that made it",
    "trade_index": "0-based order in the operation",
}

_PATH_PAYMENTS = f"""
SELECT
    o.ledger,
    o.closed_at,
    o.tx_hash,
    o.op_index,
    o.type,
    o.source_account,
    o.result #>> '{{last,destination}}' AS destination,
    a.send_asset,
    CASE
        WHEN o.type = 'path_payment_strict_send' THEN (o.details ->> 'send_amount')::bigint
        WHEN t.first_hop IS NULL THEN a.dest_amount
        ELSE t.first_hop
    END AS send_amount,
    {_asset("o.details -> 'dest_asset'")} AS dest_asset,
    a.dest_amount,
    coalesce(
        (
            SELECT jsonb_agg({_asset("p.asset")} ORDER BY p.place)
            FROM jsonb_array_elements(o.details -> 'path') WITH ORDINALITY AS p (asset, place)
        ),
        '[]'
    ) AS path
FROM operations AS o
CROSS JOIN LATERAL (
    SELECT {_asset("o.details -> 'send_asset'")}, (o.result #>> '{{last,amount}}')::bigint
) AS a (send_asset, dest_amount)
LEFT JOIN LATERAL (
    SELECT sum(f.bought_amount) FILTER (WHERE f.is_first)::bigint
    FROM (
        SELECT
            e.bought_amount,
            bool_and(e.bought_asset = a.send_asset) OVER (ORDER BY e.trade_index) AS is_first
        FROM trades AS e WHERE e.tx_hash = o.tx_hash AND e.op_index = o.op_index
    ) AS f
) AS t (first_hop) ON true
WHERE o.successful
    AND o.type IN ('path_payment_strict_receive', 'path_payment_strict_send')
    AND o.result IS NOT NULL
"""  # noqa: S608 - our own columns
_PATH_PAYMENTS_COLUMNS = {
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "tx_hash": "its transaction",
    "op_index": "0-based order in the transaction",
    "type": "path_payment_strict_receive or path_payment_strict_send",
    "source_account": "who paid (G…)",
    "destination": "who was paid (G…)",
    "send_asset": "what was paid: native or CODE:ISSUER",
    "send_amount": "how much of it left the payer, in units of 1/10,000,000",
    "dest_asset": "what arrived: native or CODE:ISSUER",
    "dest_amount": "how much of it arrived, in units of 1/10,000,000",
    "path": "assets between them, in order",
}

_POOL_PROVIDERS = """
SELECT
    t.asset AS pool_id,
    t.account_id,
    t.balance AS shares,
    t.balance::numeric / nullif(p.total_shares, 0) AS part,
    p.asset_a,
    div(t.balance::numeric * p.reserve_a, nullif(p.total_shares, 0))::bigint AS amount_a,
    p.asset_b,
    div(t.balance::numeric * p.reserve_b, nullif(p.total_shares, 0))::bigint AS amount_b,
    p.total_shares,
    p.fee_bp,
    greatest(t.ledger, p.ledger) AS ledger
FROM trust_lines AS t
LEFT JOIN liquidity_pools AS p ON p.pool_id = t.asset
WHERE NOT t.deleted AND t.balance > 0 AND t.asset NOT LIKE '%:%'
"""
_POOL_PROVIDERS_COLUMNS = {
    "pool_id": "liquidity pool (L…)",
    "account_id": "account that holds shares of it (G…)",
    "shares": "its shares, in units of 1/10,000,000",
    "part": "its part of all shares, 0 to 1, rounded",
    "asset_a": "first asset of the pool: native or CODE:ISSUER; null: the pool was not seen",
    "amount_a": "what the shares are worth of it, rounded down as the network pays it out, in "
    "units of 1/10,000,000",
    "asset_b": "second asset of the pool: CODE:ISSUER",
    "amount_b": "what the shares are worth of it, likewise",
    "total_shares": "shares of the pool that exist",
    "fee_bp": "fee of a trade, in 1/10,000",
    "ledger": "ledger of the last change of the pool or the shares",
}

_CLAIMABLE = f"""
SELECT
    c.claimant #>> '{{claimant_type_v0,destination}}' AS claimant,
    b.balance_id,
    b.asset,
    split_part(b.asset, ':', 1) AS code,
    b.amount,
    {_scaled("b.amount")} AS scaled_amount,
    c.claimant #> '{{claimant_type_v0,predicate}}' AS predicate,
    b.claimants,
    b.sponsor,
    b.ledger
FROM claimable_balances AS b
CROSS JOIN LATERAL jsonb_array_elements(b.claimants) AS c (claimant)
WHERE NOT b.deleted
"""  # noqa: S608 - our own columns
_CLAIMABLE_COLUMNS = {
    "claimant": "account that may claim it (G…)",
    "balance_id": "claimable balance (B…)",
    "asset": "native or CODE:ISSUER",
    "code": "code of the asset; native for XLM",
    "amount": "in units of 1/10,000,000",
    "scaled_amount": "in units of the asset",
    "predicate": "when it may be claimed, SEP-51: unconditional, or times in Unix seconds (CAP-23)",
    "claimants": "all of them, as in claimable_balances; an index finds them by @>",
    "sponsor": "who pays its reserve (G…)",
    "ledger": "ledger of its last change",
}

_CONTRACT_INVOCATIONS = """
SELECT
    o.ledger,
    o.closed_at,
    o.tx_hash,
    o.source_account,
    c.call ->> 'contract_address' AS contract_id,
    c.call ->> 'function_name' AS function,
    c.call -> 'args' AS arguments,
    o.successful,
    o.result_code,
    t.return_value,
    t.fee_charged
FROM operations AS o
JOIN transactions AS t ON t.hash = o.tx_hash
CROSS JOIN LATERAL (SELECT o.details #> '{host_function,invoke_contract}') AS c (call)
WHERE o.type = 'invoke_host_function' AND c.call IS NOT NULL
"""
_CONTRACT_INVOCATIONS_COLUMNS = {
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "tx_hash": "its transaction",
    "source_account": "who called (G…)",
    "contract_id": "called contract (C…)",
    "function": "name of the function",
    "arguments": "arguments in order, SEP-51 values",
    "successful": "whether the call was applied",
    "result_code": "its result, e.g. success or trapped; null where it was not tried",
    "return_value": "what it returned, a SEP-51 value; null: it failed, or is not known",
    "fee_charged": "fee of the transaction, stroops",
}

_TIMELINE = """
SELECT
    l.sequence AS ledger,
    l.closed_at,
    'upgrade' AS kind,
    NULL::text COLLATE "C" AS tx_hash,
    NULL::text COLLATE "C" AS contract_id,
    u.value AS what,
    NULL::bigint AS live_until_ledger
FROM ledgers AS l
CROSS JOIN LATERAL jsonb_array_elements(l.upgrades) AS u (value)
UNION ALL
SELECT l.sequence, l.closed_at, 'eviction', NULL, {contract}, k.key, NULL
FROM ledgers AS l
CROSS JOIN LATERAL jsonb_array_elements(l.evicted_keys) AS k (key)
UNION ALL
SELECT o.ledger, o.closed_at, 'extension', o.tx_hash, {contract}, k.key,
    o.ledger + (o.details ->> 'extend_to')::bigint
FROM operations AS o
JOIN transactions AS t ON t.hash = o.tx_hash
CROSS JOIN LATERAL jsonb_array_elements(t.soroban_resources #> '{{footprint,read_only}}') AS k (key)
WHERE o.type = 'extend_footprint_ttl' AND o.successful
UNION ALL
SELECT o.ledger, o.closed_at, 'restoration', o.tx_hash, {contract}, k.key, NULL
FROM operations AS o
JOIN transactions AS t ON t.hash = o.tx_hash
CROSS JOIN LATERAL jsonb_array_elements(t.soroban_resources #> '{{footprint,read_write}}') AS k (key)
WHERE o.type = 'restore_footprint' AND o.successful
UNION ALL
SELECT t.ledger, t.closed_at, 'automatic_restoration', t.hash, {contract}, k.key, NULL
FROM transactions AS t
CROSS JOIN LATERAL jsonb_array_elements_text(t.soroban_archived_entries) AS p (place)
CROSS JOIN LATERAL (
    SELECT t.soroban_resources #> ARRAY['footprint', 'read_write', p.place]
) AS k (key)
WHERE t.successful
""".format(contract="k.key #>> '{contract_data,contract}'")
_TIMELINE_COLUMNS = {
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "kind": "upgrade, extension, restoration, automatic_restoration or eviction",
    "tx_hash": "its transaction; null for upgrades and evictions",
    "contract_id": "contract (C…) whose storage it is; null for upgrades and code",
    "what": "the LedgerUpgrade, or the LedgerKey of the entry, SEP-51",
    "live_until_ledger": "of an extension: the entry lives at least so long",
}

# Name: query, what a row is, its columns.
_VIEWS = {
    "account_spendable": (
        _ACCOUNT_SPENDABLE,
        "What an account can spend of its lumens: balance less the liabilities of its offers "
        "(CAP-3) and less the reserve for its entries and sponsorships (CAP-33). The base reserve "
        "is that of the newest stored header (ledgers.base_reserve, which whole ledgers have), "
        "0.5 XLM where no header is stored. Fees are taken of it too.",
        _ACCOUNT_SPENDABLE_COLUMNS,
    ),
    "trust_line_spendable": (
        _TRUST_LINE_SPENDABLE,
        "What an account can spend of an issued asset: balance less the liabilities of its offers "
        "(CAP-3); nothing where the issuer does not authorize it, or only to maintain liabilities "
        "(CAP-18). An issuer has no trust line to itself and can always spend its own asset. "
        "Shares of pools cannot be spent, only withdrawn: see pool_providers.",
        _TRUST_LINE_SPENDABLE_COLUMNS,
    ),
    "trade_prices": (
        _TRADE_PRICES,
        "A trade, with codes, amounts in units of the assets, and the price.",
        _TRADE_PRICES_COLUMNS,
    ),
    "path_payments": (
        _PATH_PAYMENTS,
        "What a successful path payment really took from its payer and gave to its destination.",
        _PATH_PAYMENTS_COLUMNS,
    ),
    "pool_providers": (
        _POOL_PROVIDERS,
        "An account that holds shares of a liquidity pool, and what they are worth (CAP-38).",
        _POOL_PROVIDERS_COLUMNS,
    ),
    "claimable": (
        _CLAIMABLE,
        "A claimable balance, once for each account that may claim it.",
        _CLAIMABLE_COLUMNS,
    ),
    "contract_invocations": (
        _CONTRACT_INVOCATIONS,
        "A call of a contract by a transaction, and what it returned. Calls between contracts are "
        "in contract_calls, where they were asked for.",
        _CONTRACT_INVOCATIONS_COLUMNS,
    ),
    "timeline": (
        _TIMELINE,
        "What happened to the network's rules and to the life of contracts' entries: upgrades and "
        "evictions of ledgers that came whole, extensions and restorations by operations, and "
        "restorations that a call makes before it runs (CAP-66). An operation names entries that "
        "it need not change: those that live longer, or are not archived. Extensions that a "
        "contract makes itself are not here; live_until_ledger of its entries has them.",
        _TIMELINE_COLUMNS,
    ),
}


def upgrade() -> None:
    """Apply the change."""
    for name, (query, comment, columns) in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")
        op.execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        for column, meaning in columns.items():
            op.execute(f"COMMENT ON COLUMN {name}.{column} IS {_quoted(meaning)}")


def downgrade() -> None:
    """Take the change back."""
    for name in _VIEWS:
        op.execute(f"DROP VIEW {name}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
