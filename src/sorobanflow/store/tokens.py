"""Which tokens were seen, and what a node said of those that no indexed ledger describes."""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from sorobanflow.rows.state_rows import TokenAnswerRow, TokenRow


def add_tokens(connection: "psycopg.Connection[Any]", tokens: Sequence[TokenRow]) -> None:
    """Add tokens, and assets of known ones. It locks no row that it does not change."""
    # LIMIT has each token looked up by its key; without it the planner may read all of them.
    connection.execute(
        "INSERT INTO tokens AS t (contract_id, asset) "
        "SELECT new.* FROM unnest(%s::text[], %s::text[]) AS new (contract_id, asset) "
        "LEFT JOIN LATERAL (SELECT contract_id, asset FROM tokens "
        'WHERE contract_id = new.contract_id COLLATE "C" LIMIT 1) AS known ON true '
        "WHERE known.contract_id IS NULL "
        "OR (new.asset IS NOT NULL AND new.asset IS DISTINCT FROM known.asset) "
        "ORDER BY 1 ON CONFLICT (contract_id) DO UPDATE "
        "SET asset = coalesce(excluded.asset, t.asset)",
        ([token.contract_id for token in tokens], [token.asset for token in tokens]),
    )


def read_unknown_tokens(engine: Engine, limit: int) -> list[str]:
    """List tokens that are no asset, that no ledger described, and that no node was asked for."""
    query = text(
        "SELECT contract_id FROM tokens AS t WHERE asset IS NULL "
        "AND NOT EXISTS (SELECT FROM token_metadata AS m WHERE m.contract_id = t.contract_id) "
        "AND NOT EXISTS (SELECT FROM token_answers AS a WHERE a.contract_id = t.contract_id) "
        "ORDER BY contract_id LIMIT :limit"
    )
    with engine.begin() as connection:
        return list(connection.execute(query, {"limit": limit}).scalars())


def store_token_answers(engine: Engine, answers: Sequence[TokenAnswerRow], latest: int) -> None:
    """Store what a node answered whose newest ledger was `latest`, unless it is behind."""
    newest = text("SELECT max(sequence) FROM ledgers")
    insert = text(
        "INSERT INTO token_answers VALUES (:contract_id, :name, :symbol, :decimals, :asset, "
        ":ledger) ON CONFLICT DO NOTHING"
    )
    with engine.begin() as connection:
        if latest >= (connection.execute(newest).scalar() or 0):
            connection.execute(insert, [answer._asdict() for answer in answers])
