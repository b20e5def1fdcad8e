"""Plan the views of a contract's schema: what each is called, shows and says of itself.

Each Wasm of the contract declares events and functions for the time in which it ran; what two of
them declare alike is one view. Invariant: a view of a declared event shows events of those ranges
only in which a Wasm that declares it is proved to have run, so an upgrade re-labels nothing. What
the newest Wasm declares has the plain name, older forms end in the number of their Wasm: `swap_v1`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from sorobanflow.contracts.learning import Inferred
from sorobanflow.contracts.names import literal, safe_name
from sorobanflow.contracts.spec import Event, Function, Spec
from sorobanflow.contracts.types import Struct
from sorobanflow.contracts.view_sources import (
    CALL_COLUMNS,
    EVENT_COLUMNS,
    STORAGE_COLUMNS,
    Shown,
    calls_from,
    events_from,
    storage_from,
    undeclared_from,
)
from sorobanflow.contracts.views import Column, TypedView, event_view, function_view, struct_view
from sorobanflow.errors import DecodeError

#: PostgreSQL takes 1,600 columns; a view of more than these helps nobody.
MAX_COLUMNS = 500


class Version(NamedTuple):
    """A Wasm that the contract ran, or `stellar-asset`; versions are in the order of time."""

    wasm_hash: str
    spec: Spec


@dataclass(frozen=True)
class SchemaView:
    """A view: its name, its statement, and what its comment and those of its columns say."""

    name: str
    query: str
    about: str
    columns: dict[str, str]  # with their docs

    @property
    def digest(self) -> str:
        """Stands for all that it is: another view of the name has another one."""
        said = repr((self.name, self.query, self.about, sorted(self.columns.items())))
        return sha256(said.encode()).hexdigest()[:16]


@dataclass
class Plan:
    """The views of a schema, and what has none, with the reason."""

    views: list[SchemaView] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The names that are in use."""
        return {view.name for view in self.views}


class _Form(NamedTuple):
    """What declarations of a name have in common that are one view."""

    name: str
    columns: tuple[tuple[str, str, str], ...]


@dataclass
class _Forms:
    """Declarations of one kind, by form: the columns, and in which Wasms which rows show it."""

    columns: dict[_Form, tuple[Column, ...]] = field(default_factory=dict)
    docs: dict[_Form, str] = field(default_factory=dict)
    rows: dict[_Form, dict[str, list[str]]] = field(default_factory=dict)  # hashes by condition
    newest: dict[_Form, int] = field(default_factory=dict)

    def add(self, name: str, doc: str, view: TypedView, number: int, wasm_hash: str) -> None:
        """Add a declaration of the Wasm of a number; newer Wasms come later."""
        form = _Form(name, tuple((one.name, one.sql_type, one.expression) for one in view.columns))
        hashes = self.rows.setdefault(form, {}).setdefault(view.condition, [])
        if wasm_hash not in hashes:
            hashes.append(wasm_hash)
        if self.newest.get(form) != number:
            self.columns[form], self.docs[form], self.newest[form] = view.columns, doc, number

    def named(self, suffix: str, taken: set[str]) -> Iterator[tuple[str, _Form]]:
        """Name the forms, those of newer Wasms first."""
        current: dict[str, int] = {}
        for form in sorted(self.rows, key=lambda one: -self.newest[one]):
            number = self.newest[form]
            newest = current.setdefault(form.name, number)
            version = "" if number == newest else f"_v{number}"
            name = safe_name(f"{form.name}{version}{suffix}", taken)
            taken.add(name)
            yield name, form


def plan_schema(
    contract_id: str, versions: Sequence[Version], inferred: Sequence[Inferred] = ()
) -> Plan:
    """Plan the views of a contract.

    Args:
        contract_id: C….
        versions: The Wasms that it is known to have run, in the order of time.
        inferred: What was learnt from its events that no known Wasm declares.
    """
    plan = Plan()
    _add_forms(plan, contract_id, versions, "", _events)
    _add_inferred(plan, contract_id, versions, inferred)
    _add_forms(plan, contract_id, versions, "_calls", _functions)
    if versions:
        _add_structs(plan, contract_id, versions[-1].spec)
    return plan


class _Declared(NamedTuple):
    """A declaration of a spec, and how to describe its view."""

    name: str
    doc: str
    describe: Callable[[], TypedView]


def _events(spec: Spec) -> Iterator[_Declared]:
    for event in spec.events:
        yield _Declared(event.name, event.doc, partial(_event, event, spec))


def _event(event: Event, spec: Spec) -> TypedView:
    return event_view(event, spec, EVENT_COLUMNS, "e.topics", "e.value")


def _functions(spec: Spec) -> Iterator[_Declared]:
    for function in spec.functions.values():
        yield _Declared(function.name, function.doc, partial(_function, function, spec))


def _function(function: Function, spec: Spec) -> TypedView:
    view = function_view(function, spec, CALL_COLUMNS, "c.call->'args'", "t.return_value")
    is_called = f"c.call->>'function_name' = {literal(function.name)}"
    return TypedView(view.columns, f"{is_called} AND {view.condition}")


def _add_forms(
    plan: Plan,
    contract_id: str,
    versions: Sequence[Version],
    suffix: str,
    declared: Callable[[Spec], Iterator[_Declared]],
) -> None:
    forms = _Forms()
    for number, (wasm_hash, spec) in enumerate(versions, 1):
        for name, doc, describe in declared(spec):
            if view := _described(plan, name, describe):
                forms.add(name, doc, view, number, wasm_hash)
    kind = "calls of" if suffix else "event"
    source = calls_from if suffix else events_from
    for name, form in forms.named(suffix, plan.names):
        hashes = sorted({one for each in forms.rows[form].values() for one in each})
        shown = Shown(forms.columns[form], forms.rows[form])
        about = f"{kind} {form.name}, as declared by {_wasms(hashes)}. {forms.docs[form]}"
        _add(plan, name, source(contract_id, shown), about, forms.columns[form])


def _described(plan: Plan, name: str, describe: Callable[[], TypedView]) -> TypedView | None:
    """Describe a view; what cannot be shown is noted with the reason."""
    try:
        view = describe()
        if len(view.columns) > MAX_COLUMNS:
            raise DecodeError(
                f"it has {len(view.columns)} columns; at most {MAX_COLUMNS} are shown"
            )
    except DecodeError as error:
        plan.left_out.append(f"{name:.60}: {error}")
        return None
    return view


def _add_inferred(
    plan: Plan, contract_id: str, versions: Sequence[Version], inferred: Sequence[Inferred]
) -> None:
    """Add what was learnt, the most frequent shape of a name first."""
    declaring = [version.wasm_hash for version in versions if version.spec.events]
    spec, declared = Spec(tuple(one.event for one in inferred)), plan.names
    for event, rows, first_ledger in sorted(inferred, key=lambda one: -one.rows):
        view = _described(plan, event.name, partial(_event, event, spec))
        if view is None:
            continue
        mark = "_inferred" if safe_name(event.name) in declared else ""
        name = safe_name(f"{event.name}{mark}", plan.names)
        about = (
            f"event {event.name}, inferred: no Wasm declares it; learnt from {rows:,} events "
            f"since ledger {first_ledger}"
        )
        query = undeclared_from(contract_id, Shown(view.columns, {view.condition: declaring}))
        _add(plan, name, query, about, view.columns)


def _add_structs(plan: Plan, contract_id: str, spec: Spec) -> None:
    """Add the structs of the newest Wasm, which is who reads the storage now."""
    structs = [one for one in spec.types.values() if isinstance(one, Struct)]
    for struct in structs:
        view = _described(plan, struct.name, partial(_struct, struct, structs, spec))
        if view is not None:
            name = safe_name(f"{struct.name}_storage", plan.names)
            query = storage_from(contract_id, Shown(view.columns, {view.condition: []}))
            about = f"stored values of the struct {struct.name}. {struct.doc}"
            _add(plan, name, query, about, view.columns)


def _struct(struct: Struct, structs: Sequence[Struct], spec: Spec) -> TypedView:
    """Describe the values that are this struct, and no other one."""
    view = struct_view(struct, spec, STORAGE_COLUMNS, "s.value")
    names = {one.name for one in struct.fields}
    alike = [one for one in structs if one != struct and {f.name for f in one.fields} == names]
    others = [struct_view(one, spec, (), "s.value").condition for one in alike]
    condition = view.condition + "".join(f" AND ({one}) IS NOT TRUE" for one in others)
    return TypedView(view.columns, condition)


def _add(plan: Plan, name: str, query: str, about: str, columns: Sequence[Column]) -> None:
    docs = {one.name: one.comment for one in columns if one.comment}
    plan.views.append(SchemaView(name, query, about.strip(), docs))


def _wasms(hashes: Sequence[str]) -> str:
    shown = ", ".join(one[:12] for one in hashes[:4])
    return f"{shown} and {len(hashes) - 4} more" if len(hashes) > 4 else shown
