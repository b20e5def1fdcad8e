"""Find what a batch adds to the tables that name no ledger's rows: quarantine and tokens.

Only what is lacking is found: another ledger can have added the rest.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from sorobanflow.audit.unlike import MAX_ROWS, Difference
from sorobanflow.errors import DecodeError
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.quarantine import QuarantineRow
from sorobanflow.rows.state_rows import TokenBalanceRow, TokenMetadataRow
from sorobanflow.rows.tokens import TokenOperationRow
from sorobanflow.toid import parse_event_id

_ITEMS = text("""
SELECT ledger, kind || ' ' || key
FROM unnest(
    CAST(:kinds AS text[]), CAST(:keys AS text[]), CAST(:ledgers AS int[]), CAST(:places AS int[])
) AS bad (kind, key, ledger, place)
WHERE NOT EXISTS (SELECT FROM quarantine WHERE kind = bad.kind AND key = bad.key)
AND NOT EXISTS (
    SELECT FROM events WHERE bad.kind = 'event' AND ledger = bad.place AND id = bad.key
)
AND NOT EXISTS (SELECT FROM transactions WHERE bad.kind = 'transaction' AND hash = bad.key)
AND NOT EXISTS (
    SELECT FROM token_operations
    WHERE bad.kind = 'token_operation' AND ledger = bad.place AND event_id = bad.key
)
ORDER BY ledger, kind, key
""")

_TOKENS = text("""
SELECT ledger, concat_ws(' ', contract_id, asset)
FROM unnest(CAST(:contracts AS text[]), CAST(:assets AS text[]), CAST(:ledgers AS int[]))
    AS seen (contract_id, asset, ledger)
WHERE NOT EXISTS (
    SELECT FROM tokens WHERE contract_id = seen.contract_id
    AND (seen.asset IS NULL OR asset = seen.asset)
)
ORDER BY ledger, contract_id
""")


def find_lacking(connection: Connection, rows: BatchRows) -> list[Difference]:
    """Find bad items that are neither stored nor in quarantine, and tokens that are not listed."""
    items, tokens = rows.quarantine, rows.tokens
    lost = {
        "kinds": [row.kind for row in items],
        "keys": [row.key for row in items],
        "ledgers": [row.ledger for row in items],
        "places": [_ledger_of(row) for row in items],
    }
    about: list[TokenOperationRow | TokenBalanceRow | TokenMetadataRow]
    # Events prove an asset wherever its contract emits one.
    about = [*rows.token_balances, *rows.token_metadata, *rows.token_operations]
    seen_in = {row.contract_id: row.ledger for row in about}
    seen = {
        "contracts": [row.contract_id for row in tokens],
        "assets": [row.asset for row in tokens],
        "ledgers": [seen_in[row.contract_id] for row in tokens],
    }
    return [
        *_by_ledger("quarantine", connection.execute(_ITEMS, lost).tuples()),
        *_by_ledger("tokens", connection.execute(_TOKENS, seen).tuples()),
    ]


def _ledger_of(row: QuarantineRow) -> int:
    """Return the ledger that an event's id names; it has no index by id alone."""
    try:
        return parse_event_id(row.key).ledger
    except DecodeError:  # a transaction, or an item without an id
        return row.ledger


def _by_ledger(table: str, lacking: Iterable[tuple[int, str]]) -> list[Difference]:
    named: dict[int, list[str]] = {}
    for ledger, name in lacking:
        named.setdefault(ledger, []).append(name)
    return [
        Difference(ledger, table, len(names), 0, 0, tuple(names[:MAX_ROWS]))
        for ledger, names in named.items()
    ]
