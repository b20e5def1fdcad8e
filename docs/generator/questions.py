"""Questions that the views answer, each with a statement; the tests run them."""

QUESTIONS = (
    (
        "What trades were made of an asset, newest first?",
        """
SELECT closed_at, price, scaled_sold_amount, bought_code, scaled_bought_amount, seller, buyer
FROM trade_prices
WHERE sold_asset = 'USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
ORDER BY ledger DESC, tx_hash, op_index, trade_index LIMIT 20
""",
    ),
    (
        "What did an asset cost in lumens, hour by hour, where offers and pools sold it?",
        """
SELECT date_trunc('hour', closed_at) AS hour, min(price) AS low, max(price) AS high,
  sum(scaled_bought_amount) / nullif(sum(scaled_sold_amount), 0) AS average,
  sum(scaled_sold_amount) AS sold
FROM trade_prices
WHERE sold_asset = 'USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
  AND bought_asset = 'native'
GROUP BY hour ORDER BY hour
""",
    ),
    (
        "What can an account spend?",
        """
SELECT 'native' AS asset, scaled_spendable FROM account_spendable
WHERE account_id = 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
UNION ALL
SELECT asset, scaled_spendable FROM trust_line_spendable
WHERE account_id = 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
""",
    ),
    (
        "Who provides a liquidity pool, and how much?",
        """
SELECT account_id, round(100 * part, 2) AS percent, asset_a, amount_a, asset_b, amount_b
FROM pool_providers
WHERE pool_id = 'LAEDHYTRBVZ7I3BE6PQ4T7F4R4PYL2DNRFCJHJV2GMLB5TPBOFJZ56K6'
ORDER BY part DESC NULLS LAST
""",
    ),
    (
        "What may an account claim? The second condition finds the balances by an index.",
        """
SELECT balance_id, asset, scaled_amount, predicate FROM claimable
WHERE claimant = 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
  AND claimants @> '[{"claimant_type_v0":
    {"destination": "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"}}]'
""",
    ),
    (
        "What did path payments really pay, and for how much?",
        """
SELECT closed_at, source_account, send_amount, send_asset, dest_amount, dest_asset, destination
FROM path_payments ORDER BY ledger DESC, tx_hash, op_index LIMIT 20
""",
    ),
    (
        "What did calls of a contract return?",
        """
SELECT closed_at, function, arguments, return_value, fee_charged FROM contract_invocations
WHERE contract_id = 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75' AND successful
ORDER BY ledger DESC LIMIT 20
""",
    ),
    (
        "What did a contract emit, by name?",
        """
SELECT ledger, tx_hash, event, params, origin FROM events_named
WHERE contract_id = 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75'
ORDER BY ledger DESC, id LIMIT 20
""",
    ),
    (
        "Why do a contract's events have no name, and how many?",
        """
SELECT coalesce(origin, reason) AS what, count(*) FROM events_named
WHERE contract_id = 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75'
GROUP BY what ORDER BY count(*) DESC
""",
    ),
    (
        "With which arguments was a function called, and what errors did it return?",
        """
SELECT closed_at, source_account, arguments, result, error FROM calls_named
WHERE contract_id = 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75'
  AND function = 'transfer'
ORDER BY ledger DESC LIMIT 20
""",
    ),
    (
        "What does a contract store?",
        """
SELECT durability, key, value FROM storage_named
WHERE contract_id = 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75'
ORDER BY durability, raw_key LIMIT 20
""",
    ),
    (
        "What happened to the life of a contract's entries, and to the rules of the network?",
        """
SELECT ledger, closed_at, kind, what, live_until_ledger, tx_hash FROM timeline
WHERE contract_id = 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75' OR kind = 'upgrade'
ORDER BY ledger
""",
    ),
    (
        "What is in the order book of two assets?",
        """
SELECT price_n::numeric / price_d AS price, sum(amount) * 0.0000001 AS amount, count(*) AS offers
FROM offers
WHERE NOT deleted AND selling_asset = 'native'
  AND buying_asset = 'USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN'
GROUP BY price ORDER BY price LIMIT 20
""",
    ),
)
