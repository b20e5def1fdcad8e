"""Write the page of the settings: blocks, presets, flow parameters, environment."""

from collections.abc import Iterable, Iterator
from typing import Any

from prefect.blocks.core import Block
from prefect.flows import Flow

from blocks import Database, DataLake, StellarRpc
from blocks.database import POOLS, ConnectionPool
from blocks.profiles import PROFILES
from blocks.stellar_rpc import DEVNET_URL
from docs.generator.environment import MAKE_VARIABLES, VARIABLES, Variable
from docs.generator.markdown import code, page, table
from docs.generator.schema import HEAD, Schema, setting_rows
from flows.archive import archive
from flows.audit import audit
from flows.backfill import backfill
from flows.backfill_range import backfill_range
from flows.export import export
from flows.index import index

FLOWS: tuple[Flow[..., Any], ...] = (
    index,
    backfill,
    backfill_range,
    audit,
    export,
    archive,
)

INTRODUCTION = """
Addresses, secrets and limits are fields of Prefect blocks. What a run does is set by the
parameters of its flow. Both are forms in the Prefect UI, which check the bounds below before
anything starts. An empty field or parameter has no value (null).
"""
BLOCKS = """
Save blocks in the UI, or from the environment with `sorobanflow blocks`. A
flow's parameters `rpc`, `database` and `source` name the saved blocks. If no `stellar-rpc` or
`sorobanflow-database` is saved, a flow uses the defaults below. A secret is encrypted in
Prefect's database and never shown again.
"""
PRESETS = """
`SOROBANFLOW_PROFILE` sets these fields of the blocks. You can change each of them afterwards.
"""
PARAMETERS = """
In a terminal: `sorobanflow index --start-ledger 5`, with a minus for each underscore, or
`python -m flows.index start_ledger=5`. A list is JSON, or several words: `--contract-ids C… C…`.
`null` is no value. The exit code is 0; 1 if the run failed or left something out; 2 if a
parameter was refused before a run was started. For a deployment:
`prefect deployment run index/index --param start_ledger=5`.
"""
ENVIRONMENT = """
Only the programs named here read environment variables; the core reads none.
"""


def configuration_page() -> str:
    """Write the page."""
    return page(
        "Configuration",
        INTRODUCTION,
        "## Blocks",
        BLOCKS,
        *_block(StellarRpc, {"url": code(DEVNET_URL)}),
        *_block(DataLake, {}),
        *_block(Database, {"pool": "preset `medium`"}),
        "#### Connection pool",
        "The field `pool` of `sorobanflow-database`.",
        _settings(ConnectionPool.model_json_schema()),
        "## Presets",
        PRESETS,
        _profiles(),
        _pools(),
        "## Parameters of the flows",
        PARAMETERS,
        *(part for flow in FLOWS for part in _flow(flow)),
        "## Environment",
        ENVIRONMENT,
        _variables(VARIABLES),
        "Variables of the local programs, passed as `make run RPC_URL=…`:",
        _variables(MAKE_VARIABLES),
    )


def _block(block: type[Block], defaults: dict[str, str]) -> Iterator[str]:
    schema = block.model_json_schema()
    yield f"### {block.get_block_type_slug()}"
    yield str(schema["description"])
    yield _settings(schema, defaults)


def _flow(flow: Flow[..., Any]) -> Iterator[str]:
    yield f"### {flow.name}"
    yield str(flow.description).partition("\n\n")[0]
    yield _settings(flow.parameters.model_dump())


def _settings(schema: Schema, defaults: dict[str, str] | None = None) -> str:
    """Write the settings; `defaults` replaces those that a schema hides or cannot state."""
    known = {code(name): text for name, text in (defaults or {}).items()}
    rows = [
        (name, kind, known.get(name, default), *rest)
        for name, kind, default, *rest in setting_rows(schema, schema.get("definitions"))
    ]
    return table(HEAD, rows)


def _profiles() -> str:
    rows = [
        (code(name), f"{one.batch_size:,}", str(one.max_workers), code(one.pool))
        for name, one in PROFILES.items()
    ]
    return table(("profile", "`batch_size`", "`max_workers`", "`pool`"), rows)


def _pools() -> str:
    pools = {name: ConnectionPool.preset(name).model_dump() for name in POOLS}
    rows = [
        (code(name), *(f"{value:,}" for value in pool.values())) for name, pool in pools.items()
    ]
    return table(("pool", *map(code, ConnectionPool.model_fields)), rows)


def _variables(variables: Iterable[Variable]) -> str:
    return table(
        ("variable", "read by", "meaning"),
        [(code(one.name), one.read_by, one.meaning) for one in variables],
    )
