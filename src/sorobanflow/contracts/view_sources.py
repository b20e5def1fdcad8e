"""Write the statements of a schema's views: from which rows, and the columns that all have.

Invariant: rows of a declared event or call lie in a range of `stored.wasms_of` in which a Wasm
that declares it ran; undeclared ones lie in no range of a Wasm that declares events.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sorobanflow.contracts.names import literal, quote
from sorobanflow.contracts.views import Column


class Shown(NamedTuple):
    """The columns of a view, and the Wasms in whose ranges each condition selects rows."""

    columns: Sequence[Column]
    rows: Mapping[str, Sequence[str]]


#: Of every view of its kind: name, and where it comes from.
EVENT_COLUMNS = {
    "ledger": "e.ledger",
    "closed_at": "e.closed_at",
    "tx_hash": "e.tx_hash",
    "event_id": "e.id",
}
CALL_COLUMNS = {
    "ledger": "o.ledger",
    "closed_at": "o.closed_at",
    "tx_hash": "o.tx_hash",
    "source_account": "o.source_account",
    "successful": "o.successful",
}
STORAGE_COLUMNS = {
    "key": "stored.plain(s.key)",
    "durability": "s.durability",
    "ledger": "s.ledger",
    "live_until_ledger": "s.live_until_ledger",
    "archived": "s.archived",
}
_IN_RANGE = (
    "e.ledger BETWEEN w.first_ledger AND w.last_ledger AND (e.ledger, e.tx_index) "
    "BETWEEN (w.first_ledger, w.first_tx) AND (w.last_ledger, w.last_tx)"
)
# A call runs what the contract had before its transaction.
_CALLED_IN_RANGE = (
    "o.ledger BETWEEN w.first_ledger AND w.last_ledger "
    "AND (o.ledger, t.application_order) >= (w.first_ledger, w.first_tx) "
    "AND (o.ledger, t.application_order - 1) <= (w.last_ledger, w.last_tx)"
)
_STORAGE = """
    SELECT key, value, durability, ledger, live_until_ledger, archived
    FROM public.contract_storage
    WHERE contract_id = {contract} AND key <> '"ledger_key_contract_instance"'
    UNION ALL
    SELECT i.one -> 'key', i.one -> 'val', 'instance', c.ledger, c.live_until_ledger, c.archived
    FROM public.contract_storage AS c
    CROSS JOIN LATERAL (SELECT c.value #> '{{contract_instance,storage}}') AS h (held)
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE WHEN jsonb_typeof(h.held) = 'array' THEN h.held ELSE '[]' END
    ) AS i (one)
    WHERE c.contract_id = {contract} AND c.key = '"ledger_key_contract_instance"'
"""


def events_from(contract_id: str, shown: Shown) -> str:
    """Write the statement of a declared event's view."""
    return (
        f"{_select(EVENT_COLUMNS, shown)}\nFROM stored.wasms_of({literal(contract_id)}) AS w\n"
        f"JOIN public.events AS e ON {_IN_RANGE}\n"
        f"WHERE {_is_event(contract_id)} AND ({_in_wasms(shown)})"
    )


def undeclared_from(contract_id: str, shown: Shown) -> str:
    """Write the statement of an inferred event's view; its Wasms are those that declare events."""
    [(condition, declaring)] = shown.rows.items()
    return (
        f"{_select(EVENT_COLUMNS, shown)}\n{undeclared(contract_id, declaring)} AND ({condition})"
    )


def undeclared(contract_id: str, declaring: Sequence[str]) -> str:
    """Write FROM and WHERE of a contract's events outside the ranges of Wasms that declare any."""
    if not declaring:
        return f"FROM public.events AS e\nWHERE {_is_event(contract_id)}"
    wasms = f"stored.wasms_of({literal(contract_id)})"
    return (
        f"FROM public.events AS e\nLEFT JOIN {wasms} AS w ON {_is_one(declaring)} AND {_IN_RANGE}\n"
        f"WHERE {_is_event(contract_id)} AND w.wasm_hash IS NULL"
    )


def calls_from(contract_id: str, shown: Shown) -> str:
    """Write the statement of a function's view."""
    called = "o.details #> '{host_function,invoke_contract}'"
    return (
        f"{_select(CALL_COLUMNS, shown)}\nFROM public.operations AS o\n"
        "JOIN public.transactions AS t ON t.hash = o.tx_hash AND t.ledger = o.ledger\n"
        f"CROSS JOIN LATERAL (SELECT {called}) AS c (call)\n"
        f"JOIN stored.wasms_of({literal(contract_id)}) AS w ON {_CALLED_IN_RANGE}\n"
        "WHERE o.type = 'invoke_host_function' "
        f"AND c.call->>'contract_address' = {literal(contract_id)} AND ({_in_wasms(shown)})"
    )


def storage_from(contract_id: str, shown: Shown) -> str:
    """Write the statement of a struct's view: entries of their own, and those of the instance."""
    (condition,) = shown.rows
    source = _STORAGE.format(contract=literal(contract_id))
    return f"{_select(STORAGE_COLUMNS, shown)}\nFROM ({source}) AS s\nWHERE {condition}"


def _select(own: Mapping[str, str], shown: Shown) -> str:
    columns = [f"{source} AS {quote(name)}" for name, source in own.items()]
    columns += [f"{one.expression} AS {quote(one.name)}" for one in shown.columns]
    return "SELECT " + ",\n    ".join(columns)


def _is_event(contract_id: str) -> str:
    return f"e.contract_id = {literal(contract_id)} AND e.type = 'contract'"


def _in_wasms(shown: Shown) -> str:
    return " OR ".join(
        f"{_is_one(hashes)} AND {condition}" for condition, hashes in shown.rows.items()
    )


def _is_one(hashes: Sequence[str]) -> str:
    return f"w.wasm_hash IN ({', '.join(map(literal, hashes))})"
