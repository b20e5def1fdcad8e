"""The tables, as SQLAlchemy metadata: the one description of the schema.

`rows` makes rows in the order of these columns. Migrations bring a database to them, and add views.
"""

from sorobanflow.store.tables.accounts import (
    account_data,
    account_entries,
    claimable_balances,
    liquidity_pools,
    offers,
    trust_lines,
)
from sorobanflow.store.tables.archive import archives, dropped
from sorobanflow.store.tables.audit import event_shapes
from sorobanflow.store.tables.chain import (
    contract_calls,
    events,
    ledgers,
    operations,
    token_operations,
    trades,
    transactions,
)
from sorobanflow.store.tables.columns import metadata
from sorobanflow.store.tables.contracts import (
    SPEC_TABLES,
    contract_answers,
    contract_executables,
    contract_specs,
    inferred_events,
)
from sorobanflow.store.tables.live import live_streams
from sorobanflow.store.tables.progress import quarantine
from sorobanflow.store.tables.state import (
    STATE_TABLES,
    VERSION_GROUPS,
    VersionGroup,
    contract_code,
    contract_data_entries,
    token_answers,
    token_balances,
    token_metadata,
    tokens,
)

__all__ = [
    "HISTORY_TABLES",
    "OF_LEDGERS",
    "PARTITIONED",
    "SPEC_TABLES",
    "STATE_TABLES",
    "VERSION_GROUPS",
    "VersionGroup",
    "account_data",
    "account_entries",
    "archives",
    "claimable_balances",
    "contract_answers",
    "contract_calls",
    "contract_code",
    "contract_data_entries",
    "contract_executables",
    "contract_specs",
    "dropped",
    "event_shapes",
    "events",
    "inferred_events",
    "ledgers",
    "liquidity_pools",
    "live_streams",
    "metadata",
    "offers",
    "operations",
    "quarantine",
    "token_answers",
    "token_balances",
    "token_metadata",
    "token_operations",
    "tokens",
    "trades",
    "transactions",
    "trust_lines",
]

#: Tables of what happened, in the order in which a batch writes them; `contract_calls`, which
#: ledgers do not determine, and `STATE_TABLES` follow.
HISTORY_TABLES = (events, transactions, operations, trades, token_operations)

#: Tables with a row for each thing that happened in a ledger, which the ledger determines.
#: Contracts change what they run so seldom that these rows are not partitioned.
OF_LEDGERS = (*HISTORY_TABLES, contract_executables)

#: Tables in the schema `stored` that are partitioned by ledger; a ledger's rows in all of them
#: are moved, archived and dropped together.
PARTITIONED = (*HISTORY_TABLES, contract_calls)
