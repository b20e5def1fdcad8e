"""Make the rows of what contracts run, from changes of their instances, for `rows.state`.

Invariant: a row says what the ledger says. What follows from rows, the view `contract_wasms` says.
Source: CAP-46-2, CAP-46-6, CAP-66, rs-soroban-env's update_current_contract_wasm.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.rows.change_position import PlacedChange
from sorobanflow.rows.events import EventRow
from sorobanflow.rows.operations import INVOKE_HOST_FUNCTION, OperationRow
from sorobanflow.rows.values import arm, content, hash_hex

#: Stands for the Wasm that asset contracts do not have.
STELLAR_ASSET = "stellar-asset"
#: How the topics of the event begin that the host emits where a contract replaces its Wasm.
_REPLACED = '[{"symbol":"executable_update"}'
#: How the details of a call begin; then follows the contract.
_CALL = '{"host_function":{"invoke_contract":{"contract_address":"'
_CALL_OF_CONTRACT, _ID_LENGTH = f"{_CALL}C", 56

#: A contract, a ledger, and the order of a transaction in it.
Place = tuple[str, int, int]


class ExecutableRow(NamedTuple):
    """A row of `contract_executables`."""

    contract_id: str
    ledger: int
    tx_order: int
    op_order: int
    change_order: int
    kind: str
    wasm_hash: str | None
    wasm_before: str | None


class ContractRow(NamedTuple):
    """A row of `contracts`."""

    contract_id: str


class ContractAnswerRow(NamedTuple):
    """A row of `contract_answers`."""

    contract_id: str
    last_modified_ledger: int
    wasm_hash: str | None
    asked_ledger: int


class WasmRow(NamedTuple):
    """The key of a row of `contract_specs`, whose other columns are not known yet."""

    wasm_hash: str


def executable_row(
    placed: PlacedChange, contract_id: str, after: Json, before: Json
) -> ExecutableRow:
    """Make the row of any change of a persistent instance, an SCVal or None after and before it.

    Restoring an entry changes nothing of it.
    """
    kind, runs = placed.change.kind, executable(after)
    ran = runs if kind == "restored" else executable(before)
    return ExecutableRow(contract_id, *placed.position, kind, runs, ran)


def executable(instance: Json) -> str | None:
    """Name what an instance, an SCVal, runs; None if it is no instance."""
    body = content(instance, "contract_instance")
    if body is None:
        return None
    kind, wasm_hash = arm(body["executable"])
    return hash_hex(wasm_hash) if kind == "wasm" else STELLAR_ASSET


def replacements(events: Iterable[EventRow]) -> set[Place]:
    """Find where contracts replaced their Wasm while they ran."""
    return {
        (one.contract_id, one.ledger, one.tx_index)
        for one in events
        if one.is_system and one.contract_id is not None and one.topics.startswith(_REPLACED)
    }


def changed(row: ExecutableRow, replaced: AbstractSet[Place]) -> ExecutableRow | None:
    """Give the row if it changes what the contract runs, or may have changed it for a while."""
    if (row.contract_id, row.ledger, row.tx_order) in replaced and row.wasm_hash is not None:
        return row._replace(kind="updated")
    is_same = row.kind == "updated" and row.wasm_hash == row.wasm_before
    return None if is_same else row


def contract_rows(
    events: Iterable[EventRow], operations: Iterable[OperationRow]
) -> list[ContractRow]:
    """List the contracts that emitted the events, and those that the operations called."""
    found = {one.contract_id for one in events if one.contract_id is not None}
    for operation in operations:
        if operation.type == INVOKE_HOST_FUNCTION and operation.details.startswith(
            _CALL_OF_CONTRACT
        ):
            found.add(operation.details[len(_CALL) : len(_CALL) + _ID_LENGTH])
    return [ContractRow(one) for one in sorted(found)]
