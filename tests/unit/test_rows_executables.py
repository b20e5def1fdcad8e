"""What contracts run, from changes of their instances and the events of their host."""

from typing import Any

import pytest

from sorobanflow.decode.changes import Change
from sorobanflow.rows.entry_rows import state_rows
from sorobanflow.rows.events import event_row
from sorobanflow.rows.executables import (
    STELLAR_ASSET,
    ContractRow,
    ExecutableRow,
    WasmRow,
    contract_rows,
    replacements,
)
from sorobanflow.rows.operations import OperationRow
from sorobanflow.rows.state import State
from tests.unit.state_items import INSTANCE, PASSPHRASE, code_change, data_change, decoded
from tests.unit.wire_items import TOKEN, make_event

OLD, NEW = "ab" * 32, "cd" * 32
PLACE = (TOKEN, 1000, 3)
EVENT = make_event([])
ROW = event_row(EVENT)
UPDATE = '[{"symbol":"executable_update"},{"vec":[]},{"vec":[]}]'


def instance(wasm: str | None) -> dict[str, Any]:
    executable = "stellar_asset" if wasm is None else {"wasm": wasm}
    return {"contract_instance": {"executable": executable, "storage": None}}


def of_instance(kind: str, value: Any, before: Any = None, **fields: Any) -> Change:
    return data_change(kind, TOKEN, INSTANCE, value, before=before, **fields)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (of_instance("created", instance(NEW)), ("created", NEW, None)),
        (of_instance("created", instance(None)), ("created", STELLAR_ASSET, None)),
        (of_instance("updated", instance(NEW), instance(OLD)), ("updated", NEW, OLD)),
        (of_instance("updated", instance(NEW)), ("updated", NEW, None)),  # of what, is not said
        (of_instance("restored", instance(NEW)), ("restored", NEW, NEW)),
        (of_instance("removed", None, instance(OLD)), ("removed", None, OLD)),
    ],
    ids=["created", "asset", "updated", "unknown before", "restored", "removed"],
)
def test_change_of_an_executable_has_a_row(change: Change, wanted: tuple[Any, ...]) -> None:
    state = rows_of(change)
    [row] = state.contract_executables.values()
    assert row == ExecutableRow(*PLACE, 1, 0, *wanted)
    known = {OLD, NEW} & {*wanted}
    assert {*state.contract_specs.values()} == {WasmRow(one) for one in known}


@pytest.mark.parametrize(
    "change",
    [
        of_instance("updated", instance(NEW), instance(NEW)),
        data_change("created", TOKEN, {"symbol": "Counter"}, {"u32": 1}),
        of_instance("created", instance(NEW), durability="temporary"),
        of_instance("updated", {"u32": 1}, {"u32": 1}),
    ],
    ids=["storage", "another entry", "temporary", "no instance"],
)
def test_other_changes_have_none(change: Change) -> None:
    assert not rows_of(change).contract_executables


@pytest.mark.parametrize("kind", ["created", "updated", "restored"])
def test_contract_that_replaced_its_wasm_meanwhile_was_updated(kind: str) -> None:
    state = rows_of(of_instance(kind, instance(NEW), instance(NEW)), replaced={PLACE})
    [row] = state.contract_executables.values()
    assert (row.kind, row.wasm_hash) == ("updated", NEW)


def test_replacement_is_the_hosts_event_alone() -> None:
    event = ROW._replace(topics=UPDATE)
    assert replacements([event._replace(is_system=True)]) == {PLACE}
    assert not replacements([event, ROW._replace(is_system=True)])


def test_uploaded_wasm_is_listed() -> None:
    assert [*rows_of(code_change("created", b"wasm", OLD)).contract_specs] == [OLD]


def test_contracts_are_those_that_emitted_or_were_called() -> None:
    called = '{"host_function":{"invoke_contract":{"contract_address":"CALLED%s","x":[]}}}'
    details = called % ("X" * 50)
    operation = OperationRow(*[None] * 4, 24, *[None] * 4, details, None, None)  # type: ignore[arg-type]
    others = [
        operation._replace(type=1),
        operation._replace(details='{"host_function":{"upload_contract_wasm":"00"},"auth":[]}'),
        operation._replace(details=called.replace("CALLED", "G") % ("X" * 55)),
    ]
    events = [ROW._replace(contract_id=one) for one in (TOKEN, None, TOKEN)]
    rows = contract_rows(events, [operation, *others])
    assert rows == [ContractRow(TOKEN), ContractRow("CALLED" + "X" * 50)]


def rows_of(change: Change, replaced: set[Any] | None = None) -> State:
    state = State(PASSPHRASE, replaced or set())
    state.add(state_rows(*decoded(change), PASSPHRASE))
    state.finish()
    return state
