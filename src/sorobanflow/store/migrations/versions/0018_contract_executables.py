"""Which Wasm a contract runs when: its changes, what nodes say, and the ranges that are proved"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_RUNS = "SHA-256 of the Wasm that it runs, hex; stellar-asset: it is an asset's"
_PLACE = {
    "ledger": "ledger of the change",
    "tx_order": "1-based order of its transaction in the ledger; 0: fees before all "
    "transactions, 1048575: fees after them, 1048576: upgrades, 1048577: evictions",
    "op_order": "its 1-based operation; 0 before, 4095 after the operations; of fees and "
    "upgrades, the 1-based transaction or upgrade (0: a refund that an event states)",
    "change_order": "its index in the list of changes",
}
_INSTANCE = """key = '"ledger_key_contract_instance"'::jsonb"""

# Nothing is inferred. `proved` are the ledgers in which every change of the contract's executable
# is a row of contract_executables: those that the stream of everything holds, without those with
# a transaction in quarantine or stored by an older release, and those for which a fact says that
# its instance did not change. Between two changes within them it runs what the change before and
# the one after say, and the facts of that time; where these disagree, nothing is proved. Events of
# a transaction that changes the executable may be of either Wasm: their place is in no range.
_WASMS_OF = """
CREATE FUNCTION stored.wasms_of(contract text) RETURNS TABLE (
    first_ledger int, first_tx int, last_ledger int, last_tx int, wasm_hash text, source text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp COST 1000 ROWS 2
AS $$
#variable_conflict use_column
DECLARE
    max_tx CONSTANT int := 2147483646;
    held CONSTANT int4multirange := coalesce(
            (SELECT c.ledgers FROM public.coverage AS c WHERE c.stream = 'all'), '{}')
        - coalesce((SELECT range_agg(int4range(q.ledger, q.ledger, '[]'))
            FROM public.quarantine AS q WHERE q.kind = 'transaction'), '{}');
    unknown CONSTANT int4multirange := coalesce(
        (SELECT c.unknown_executables FROM public.coverage AS c WHERE c.stream = 'all'), '{}');
BEGIN
    -- Its id is the hash of an asset: nothing else can run there, and it cannot be replaced.
    IF EXISTS (
        SELECT FROM public.tokens AS t WHERE t.contract_id = contract AND t.asset IS NOT NULL
    ) THEN
        RETURN QUERY SELECT 0, 0, max_tx, max_tx, 'stellar-asset', 'id';
        RETURN;
    END IF;
    RETURN QUERY
    WITH changes AS (
        SELECT e.ledger, e.tx_order, e.op_order, e.change_order, e.kind, e.wasm_hash,
            e.wasm_before
        FROM public.contract_executables AS e WHERE e.contract_id = contract
    ),
    -- What it runs from a place on up to another, both included, with no change in between.
    facts AS (
        SELECT i.ledger AS from_ledger, i.tx_order + 1 AS from_tx, coalesce(
            (SELECT upper(h) FROM unnest(held) AS h WHERE h @> i.ledger), i.ledger + 1
        ) AS to_ledger, 0 AS to_tx, i.wasm_hash, 'ledgers' AS source
        FROM (
            SELECT d.ledger, d.tx_order,
                CASE WHEN d.value #>> '{contract_instance,executable}' = 'stellar_asset'
                    THEN 'stellar-asset'
                    ELSE d.value #>> '{contract_instance,executable,wasm}' END AS wasm_hash
            FROM public.contract_data_entries AS d
            WHERE d.contract_id = contract AND d.durability = 'persistent'
            AND d.key = '"ledger_key_contract_instance"'::jsonb
            AND d.ledger IS NOT NULL
        ) AS i
        UNION ALL
        SELECT r.ledger, r.tx_order, r.ledger, r.tx_order, r.wasm_hash, 'ledgers'
        FROM changes AS r WHERE r.kind = 'restored'
        UNION ALL
        SELECT a.last_modified_ledger + 1, 0, a.asked_ledger + 1, 0, a.wasm_hash, 'node'
        FROM public.contract_answers AS a
        WHERE a.contract_id = contract AND a.asked_ledger < max_tx
    ),
    proved AS (
        SELECT lower(p) AS low, upper(p) - 1 AS high FROM unnest(held - unknown + coalesce((
            SELECT range_agg(int4range(f.from_ledger + (f.from_tx > 0)::int, f.to_ledger))
            FROM facts AS f WHERE f.wasm_hash IS NOT NULL AND f.from_ledger < f.to_ledger
        ), '{}')) AS p
    ),
    cuts AS (
        SELECT p.low AS ledger, -1 AS tx_order, 0 AS op_order, 0 AS change_order, NULL AS kind,
            NULL AS wasm_hash, NULL AS wasm_before, p.low, p.high
        FROM proved AS p
        UNION ALL
        SELECT c.*, p.low, p.high FROM proved AS p
        JOIN changes AS c ON c.ledger BETWEEN p.low AND p.high AND c.kind <> 'restored'
    ),
    -- Creation is the one change whose own transaction can run nothing but what it says.
    pieces AS (
        SELECT c.ledger AS first_ledger,
            c.tx_order + (c.kind IS DISTINCT FROM 'created')::int AS first_tx,
            coalesce(lead(c.ledger) OVER w, c.high) AS last_ledger,
            coalesce(lead(c.tx_order) OVER w - 1, max_tx) AS last_tx,
            c.kind IS NOT DISTINCT FROM 'removed'
                OR lead(c.kind) OVER w IS NOT DISTINCT FROM 'created' AS is_nothing,
            c.wasm_hash AS after, lead(c.wasm_before) OVER w AS before
        FROM cuts AS c
        WINDOW w AS (
            PARTITION BY c.low ORDER BY c.ledger, c.tx_order, c.op_order, c.change_order)
    )
    SELECT p.first_ledger, p.first_tx, p.last_ledger, p.last_tx, min(s.wasm_hash),
        min(s.source COLLATE "C")
    FROM pieces AS p CROSS JOIN LATERAL (
        SELECT p.after AS wasm_hash, 'ledgers' AS source
        UNION ALL SELECT p.before, 'ledgers'
        UNION ALL SELECT f.wasm_hash, f.source FROM facts AS f
        WHERE (f.from_ledger, f.from_tx) <= (p.last_ledger, p.last_tx)
        AND (f.to_ledger, f.to_tx) >= (p.first_ledger, p.first_tx)
    ) AS s
    WHERE s.wasm_hash IS NOT NULL AND NOT p.is_nothing
    AND (p.first_ledger, p.first_tx) <= (p.last_ledger, p.last_tx)
    GROUP BY 1, 2, 3, 4 HAVING min(s.wasm_hash) = max(s.wasm_hash)
    ORDER BY 1, 2;
END
$$
"""
#: The Wasms of the instances that are stored already.
_SEEN = f"""
INSERT INTO contract_specs (wasm_hash)
SELECT DISTINCT value #>> '{{contract_instance,executable,wasm}}' FROM contract_data_entries
WHERE {_INSTANCE} AND value #>> '{{contract_instance,executable,wasm}}' IS NOT NULL
ON CONFLICT DO NOTHING
"""  # noqa: S608 - no input
_CONTRACT_WASMS = f"""
CREATE VIEW contract_wasms AS
SELECT c.contract_id, w.first_ledger, w.first_tx, w.last_ledger, w.last_tx, w.wasm_hash, w.source
FROM (
    SELECT contract_id FROM contract_executables
    UNION SELECT contract_id FROM contract_answers
    UNION SELECT contract_id FROM contract_data_entries WHERE {_INSTANCE}
) AS c
CROSS JOIN LATERAL stored.wasms_of(c.contract_id) AS w
"""  # noqa: S608 - no input
_COMMENTS = {
    "VIEW contract_wasms": "Ranges of ledgers and transactions in which it is proved what a "
    "contract runs; both ends are included.",
    "COLUMN contract_wasms.contract_id": "contract (C…)",
    "COLUMN contract_wasms.first_ledger": "first ledger",
    "COLUMN contract_wasms.first_tx": "1-based order of the first transaction in it; 0: all of it",
    "COLUMN contract_wasms.last_ledger": "last ledger",
    "COLUMN contract_wasms.last_tx": "1-based order of the last transaction in it; "
    "2147483646: all of it",
    "COLUMN contract_wasms.wasm_hash": "SHA-256 of the Wasm, hex; stellar-asset: it is an asset''s",
    "COLUMN contract_wasms.source": "ledgers; node: only its answer says so; id: the contract''s id is the hash of "
    "an asset",
}


def _place(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, comment=_PLACE[name], autoincrement=False)


def _contract() -> sa.Column[str]:
    return sa.Column("contract_id", _ID, nullable=False, comment="contract (C…)")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "contract_executables",
        _contract(),
        *map(_place, _PLACE),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="created, restored, removed or updated; updated also where the contract "
            "replaced its Wasm in the transaction that created it",
        ),
        sa.Column("wasm_hash", _ID, comment=f"{_RUNS}; null: it was removed"),
        sa.Column(
            "wasm_before",
            _ID,
            comment="the same before the change; null: there was none, or not known",
        ),
        sa.PrimaryKeyConstraint("contract_id", *_PLACE, name=op.f("pk_contract_executables")),
        comment="A change of what a contract runs, as its instance says. Key: contract_id and the "
        "four columns of the place. Filtered streams write none.",
    )
    op.create_table(
        "contracts",
        _contract(),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_contracts")),
        comment="A contract that emitted an event or was called: where no ledger tells what it "
        "runs, a node is asked. Key: contract_id.",
    )
    op.create_table(
        "contract_answers",
        _contract(),
        sa.Column(
            "last_modified_ledger",
            sa.Integer(),
            nullable=False,
            autoincrement=False,
            comment="ledger of its instance's last change; the node's newest if it has none",
        ),
        sa.Column("wasm_hash", _ID, comment=f"{_RUNS}; null: the node has no instance"),
        sa.Column(
            "asked_ledger",
            sa.Integer(),
            nullable=False,
            comment="the node's newest ledger when it was asked",
        ),
        sa.PrimaryKeyConstraint(
            "contract_id", "last_modified_ledger", name=op.f("pk_contract_answers")
        ),
        comment="What the state of a node said of a contract: it runs this from the end of "
        "last_modified_ledger to the end of asked_ledger. Key: contract_id, last_modified_ledger.",
    )
    op.create_index(
        "ix_contract_data_entries_instance",
        "contract_data_entries",
        ["contract_id"],
        postgresql_where=sa.text(_INSTANCE),
    )
    op.add_column(
        "coverage",
        sa.Column(
            "unknown_executables",
            postgresql.INT4MULTIRANGE(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="of the ledgers, those that revision 0017 or older stored, whose changes of "
            "executables are in no row of contract_executables until they are indexed again",
        ),
    )
    op.add_column(
        "contract_specs",
        sa.Column(
            "asked_ledger",
            sa.Integer(),
            comment="the newest ledger of the node that was asked for its code and lacks it",
        ),
    )
    _run(_SEEN)
    _run("UPDATE coverage SET unknown_executables = ledgers WHERE stream = 'all'")
    _run(_WASMS_OF)
    _run(_CONTRACT_WASMS)
    for what, comment in _COMMENTS.items():
        _run(f"COMMENT ON {what} IS '{comment}'")


def downgrade() -> None:
    """Take the change back."""
    _run("DROP VIEW contract_wasms")
    _run("DROP FUNCTION stored.wasms_of")
    op.drop_column("coverage", "unknown_executables")
    op.drop_column("contract_specs", "asked_ledger")
    op.drop_index("ix_contract_data_entries_instance", "contract_data_entries")
    for table in ("contract_answers", "contracts", "contract_executables"):
        op.drop_table(table)


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
