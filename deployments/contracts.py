"""Make, show, list and drop the schemas of contracts: `sorobanflow contract`."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydantic import SecretStr
from sqlalchemy import Connection, Engine

from blocks import Database
from deployments.local_database import existing_database
from deployments.migrate import owners_database
from deployments.streams import opened
from flows.parameters.reading import did_you_mean
from sorobanflow.contracts.known import (
    Range,
    is_known,
    read_meta,
    read_ranges,
    read_versions,
)
from sorobanflow.contracts.learned import learn, read_inferred, store_inferred
from sorobanflow.contracts.rust import print_interface
from sorobanflow.contracts.schema_views import Plan, Version, plan_schema
from sorobanflow.contracts.schemas import (
    Changes,
    Schema,
    changes,
    drop_schema,
    find_schema,
    make_schema,
    read_schemas,
)
from sorobanflow.contracts.stored import ASSET_HASH, store_specs
from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.filters import EventFilter
from sorobanflow.texts import count


def add(contract_id: str, name: str, block: str, db: str | None, *, renew: bool) -> int:
    """Make or renew a contract's schema; gives the exit code: 1 if it only says what would change.

    Raises:
        ConfigurationError: nothing is known of the contract, somebody else has the name, or the
            database's user may not make schemas.
    """
    with _opened(block, db) as engine:
        store_specs(engine)  # a run may still have to
        with engine.begin() as connection:
            return _add(connection, contract_id, name, renew=renew)


def _add(connection: Connection, contract_id: str, name: str, *, renew: bool) -> int:
    versions = read_versions(connection, _ranges(connection, contract_id))
    if any(one.wasm_hash == ASSET_HASH for one in versions):
        raise ConfigurationError(
            f"{contract_id} is the contract of an asset, and all of these are alike: the views "
            "transfers, events_named and calls_named show what they do"
        )
    schema = find_schema(connection, name, contract_id)
    declaring = [one.wasm_hash for one in versions if one.spec.events]
    inferred = learn(connection, contract_id, declaring, _show_progress)
    plan = plan_schema(contract_id, versions, inferred)
    if not plan.views:
        raise ConfigurationError(_nothing(contract_id, versions))
    refused = make_schema(connection, name, contract_id, plan)
    plan.left_out += [f"{view}: {why}" for view, why in refused.items()]
    plan.views = [view for view in plan.views if view.name not in refused]
    different = changes(schema, plan)
    if schema and not renew:
        connection.rollback()  # it was only to see what PostgreSQL refuses
        return _print_changes(schema, different)
    store_inferred(connection, contract_id, inferred)
    _print_views(name, plan)
    return 0


def show(contract: str, block: str, db: str | None) -> None:
    """Print what a contract, or that of a schema, declares, and when it ran what."""
    with _opened(block, db) as engine, engine.begin() as connection:
        schemas = {one.name: one for one in read_schemas(connection)}
        named = schemas.get(contract)
        contract_id = named.contract_id if named else contract
        if named is None:
            EventFilter((contract,))  # raises if it is no contract id
        ranges = _ranges(connection, contract_id)
        versions = read_versions(connection, ranges)
        print(f"contract {contract_id}")
        for one in schemas.values():
            if one.contract_id == contract_id:
                print(f"schema {one.name}, with {count(len(one.views), 'view')}")
        print("\nledgers in which it is proved what it ran:" if ranges else _unknown())
        for each in ranges:
            print(f"  {each}  {each.wasm_hash}  (known from {each.source})")
        if versions:
            _print_interface(connection, versions[-1])
        _print_inferred(read_inferred(connection, contract_id))


def list_all(block: str, db: str | None) -> None:
    """Print the schemas that were made here."""
    with _opened(block, db) as engine, engine.begin() as connection:
        schemas = read_schemas(connection)
    for one in schemas:
        print(f"{one.name}  {one.contract_id}  {count(len(one.views), 'view')}")
    if not schemas:
        print("there are none; `sorobanflow contract add C… --name NAME` makes one")


def remove(name: str, block: str, db: str | None) -> None:
    """Drop a schema that was made here.

    Raises:
        ConfigurationError: there is none of the name, the user may not, or something else is in
            the schema.
    """
    with _opened(block, db) as engine, engine.begin() as connection:
        schemas = {one.name: one for one in read_schemas(connection)}
        if name not in schemas:
            known = did_you_mean(name, schemas) or "`sorobanflow contract list` shows those there"
            raise ConfigurationError(f"there is no schema {name!r} of a contract; {known}")
        drop_schema(connection, schemas[name])
        store_inferred(connection, schemas[name].contract_id, [])
    print(f"the schema {name} is dropped; all rows stay")


@contextmanager
def _opened(block: str, db: str | None) -> Iterator[Engine]:
    """Open a database of the embedded server, or its owner's, or the block's."""
    with ExitStack() as stack:
        if db is not None:
            url = stack.enter_context(existing_database(db))
            database = Database(url=SecretStr(url))
        else:
            database = owners_database(block)
        engine, _ = stack.enter_context(opened(database, db or block))
        yield engine


def _ranges(connection: Connection, contract_id: str) -> list[Range]:
    """Read when a contract of which something is stored ran which Wasm."""
    if not is_known(connection, contract_id):
        raise ConfigurationError(
            f"nothing is stored of {contract_id}; index ledgers in which it was used, for example "
            f"with `sorobanflow index --contract-ids {contract_id}`, or check the id"
        )
    return read_ranges(connection, contract_id)


def _show_progress(events: int) -> None:
    print(f"learnt from {events:,} events", file=sys.stderr)


def _nothing(contract_id: str, versions: list[Version]) -> str:
    why = "its Wasm has no spec" if versions else "it is not known what Wasm it runs"
    return f"there is nothing to show of {contract_id}: {why}, and no event of it is stored"


def _print_changes(schema: Schema, different: Changes) -> int:
    if not different:
        print(f"nothing would change: {schema.name} has {count(len(schema.views), 'view')}")
        return 0
    for verb, names in different._asdict().items():
        for name in names:
            print(f"would be {verb}: {schema.name}.{name}")
    print("nothing was changed; add --renew to do it")
    return 1


def _print_views(name: str, plan: Plan) -> None:
    width = max((len(view.name) for view in plan.views), default=0)
    for view in plan.views:
        print(f"{name}.{view.name:<{width}}  {view.about.splitlines()[0]}")
    for reason in plan.left_out:
        print(f"left out: {reason}")


def _unknown() -> str:
    return "\nit is not known what it ran: no indexed ledger and no node told"


def _print_interface(connection: Connection, version: Version) -> None:
    wasm_hash, spec = version
    for key, value in read_meta(connection, wasm_hash):
        print(f"  {key}: {value}")
    print(f"\n// {wasm_hash}")
    print(print_interface(spec) if spec.entries else "// it has no spec that can be read")


def _print_inferred(lines: list[str]) -> None:
    if lines:
        print("events that no Wasm declares, learnt by `contract add`:")
    for line in lines:
        print(f"  {line}")
