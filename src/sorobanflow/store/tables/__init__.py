"""The tables, as SQLAlchemy metadata: the one description of the schema.

Every table says in its comment what a row is and its key; every column whose
name does not say it, its meaning and unit. Rows are made in `rows`, in the
order of these columns; migrations bring a database to this description, and
add the views that stand on it.
"""

from sorobanflow.store.tables.audit import audited, event_shapes
from sorobanflow.store.tables.chain import (
    events,
    ledgers,
    operations,
    token_operations,
    transactions,
)
from sorobanflow.store.tables.columns import metadata
from sorobanflow.store.tables.progress import coverage, gaps, network, quarantine
from sorobanflow.store.tables.state import (
    STATE_TABLES,
    VersionGroup,
    account_entries,
    contract_code,
    contract_data_entries,
    token_balances,
    token_metadata,
)

__all__ = [
    "BATCH_TABLES",
    "STATE_TABLES",
    "VersionGroup",
    "account_entries",
    "audited",
    "contract_code",
    "contract_data_entries",
    "coverage",
    "event_shapes",
    "events",
    "gaps",
    "ledgers",
    "metadata",
    "network",
    "operations",
    "quarantine",
    "token_balances",
    "token_metadata",
    "token_operations",
    "transactions",
]

#: Tables of what happened whose rows a batch carries, in the order in which they are written.
BATCH_TABLES = (events, transactions, operations, token_operations)
