"""What is asked of a node, because no indexed ledger tells it, and what it answered.

Each is asked for once: then there is an answer, though it may say nothing.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from sorobanflow.rows.executables import STELLAR_ASSET, ContractAnswerRow
from sorobanflow.rows.state_rows import TokenAnswerRow
from sorobanflow.store.copy import execute_with_arrays
from sorobanflow.store.fields import Arrays


def add_tokens(connection: "psycopg.Connection[Any]", tokens: Arrays) -> None:
    """Add tokens, and assets of known ones. It locks no row that it does not change."""
    # LIMIT has each token looked up by its key; without it the planner may read all of them.
    execute_with_arrays(
        connection,
        b"INSERT INTO tokens AS t (contract_id, asset) SELECT new.* "
        b"FROM unnest(%(contract_id)s::text[], %(asset)s::text[]) AS new (contract_id, asset) "
        b"LEFT JOIN LATERAL (SELECT contract_id, asset FROM tokens "
        b'WHERE contract_id = new.contract_id COLLATE "C" LIMIT 1) AS known ON true '
        b"WHERE known.contract_id IS NULL "
        b"OR (new.asset IS NOT NULL AND new.asset IS DISTINCT FROM known.asset) "
        b"ORDER BY 1 ON CONFLICT (contract_id) DO UPDATE "
        b"SET asset = coalesce(excluded.asset, t.asset)",
        tokens,
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


def read_unknown_contracts(engine: Engine, limit: int) -> list[str]:
    """List contracts of which no id, ledger or node told what they run in the newest ledgers.

    These are all up to the newest hole of what is stored whole: what is known of an older ledger
    does not hold on the other side of a hole.
    """
    query = text(
        "SELECT contract_id FROM contracts AS c CROSS JOIN (SELECT coalesce(max(lower(r)), 0) "
        "FROM coverage, unnest(ledgers) AS r WHERE stream = 'all') AS newest (first) "
        "WHERE NOT EXISTS (SELECT FROM contract_executables AS e "
        "WHERE e.contract_id = c.contract_id AND e.ledger >= newest.first) "
        "AND NOT EXISTS (SELECT FROM contract_data_entries AS d "
        "WHERE d.contract_id = c.contract_id AND d.ledger >= newest.first "
        """AND d.key = '"ledger_key_contract_instance"'::jsonb) """
        "AND NOT EXISTS (SELECT FROM contract_answers AS a "
        "WHERE a.contract_id = c.contract_id AND a.asked_ledger >= newest.first) "
        "AND NOT EXISTS "
        "(SELECT FROM tokens AS t WHERE t.contract_id = c.contract_id AND t.asset IS NOT NULL) "
        "ORDER BY contract_id LIMIT :limit"
    )
    with engine.begin() as connection:
        return list(connection.execute(query, {"limit": limit}).scalars())


def read_unknown_wasms(engine: Engine, limit: int) -> list[str]:
    """List Wasms that contracts run, that no ledger held, and that no node was asked for."""
    query = text(
        "SELECT wasm_hash FROM contract_specs AS s "
        "WHERE problems IS NULL AND asked_ledger IS NULL AND NOT EXISTS (SELECT "
        "FROM contract_code AS c WHERE c.wasm_hash = s.wasm_hash AND c.code IS NOT NULL) "
        "UNION SELECT wasm_hash FROM contract_answers AS a "
        "WHERE wasm_hash <> :asset "
        "AND NOT EXISTS (SELECT FROM contract_specs AS s WHERE s.wasm_hash = a.wasm_hash) "
        "ORDER BY wasm_hash LIMIT :limit"
    )
    with engine.begin() as connection:
        return list(connection.execute(query, {"asset": STELLAR_ASSET, "limit": limit}).scalars())


def store_lacking(engine: Engine, wasm_hash: str, latest: int) -> None:
    """Store that a node whose newest ledger was `latest` does not have a Wasm."""
    lacking = text(
        "INSERT INTO contract_specs (wasm_hash, asked_ledger) VALUES (:wasm_hash, :latest) "
        "ON CONFLICT (wasm_hash) DO UPDATE SET asked_ledger = excluded.asked_ledger"
    )
    with engine.begin() as connection:
        connection.execute(lacking, {"wasm_hash": wasm_hash, "latest": latest})


def store_answers(
    engine: Engine,
    names: Sequence[TokenAnswerRow],
    runs: Sequence[ContractAnswerRow],
    latest: int,
) -> None:
    """Store what a node answered whose newest ledger was `latest`, unless it is behind."""
    newest = text("SELECT max(sequence) FROM ledgers")
    with engine.begin() as connection:
        if latest < (connection.execute(newest).scalar() or 0):
            return
        for statement, rows in ((_NAME, names), (_RUNS, runs)):
            if rows:
                connection.execute(text(statement), [one._asdict() for one in rows])


_NAME = (
    "INSERT INTO token_answers VALUES (:contract_id, :name, :symbol, :decimals, :asset, :ledger) "
    "ON CONFLICT DO NOTHING"
)
_RUNS = (
    "INSERT INTO contract_answers AS a "
    "VALUES (:contract_id, :last_modified_ledger, :wasm_hash, :asked_ledger) "
    "ON CONFLICT (contract_id, last_modified_ledger) DO UPDATE "
    "SET asked_ledger = excluded.asked_ledger "
    "WHERE a.asked_ledger < excluded.asked_ledger "
    "AND a.wasm_hash IS NOT DISTINCT FROM excluded.wasm_hash"
)
