"""Contract calls, from diagnostic events that are whole, and from those that are not."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from stellar_sdk import StrKey

from sorobanflow.decode.contract_events import CONTRACT, DIAGNOSTIC, ContractEvent
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.calls import (
    MAX_BYTES,
    MAX_CALLS,
    MAX_METRICS,
    ContractCallRow,
    call_rows,
)
from sorobanflow.rows.row_maker import RowMaker
from sorobanflow.rows.transaction_entry import TransactionReader
from sorobanflow.rows.transactions import transaction_row
from tests.unit.meta_xdr import event, meta, meta_v4
from tests.unit.sep51 import read_meta, read_meta_with_diagnostics
from tests.unit.wire_items import (
    NETWORK,
    TX_HASH,
    make_transaction,
    scval,
    symbol,
)

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
CLOSED = datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC)
ROW = transaction_row(make_transaction(), decode_transaction(make_transaction()))
U32 = {"u32": 7}


def diagnostic(
    caller: bytes, topics: list[Any], value: Any = "void", kind: int = DIAGNOSTIC
) -> ContractEvent:
    data = value if isinstance(value, bytes) else b64decode(scval(value))
    return ContractEvent(kind, caller, [b64decode(scval(topic)) for topic in topics], data)


def call(caller: bytes, called: bytes, function: str, value: Any = "void") -> ContractEvent:
    return diagnostic(caller, [symbol("fn_call"), {"bytes": called.hex()}, symbol(function)], value)


def end(contract: bytes, function: str, value: Any = "void") -> ContractEvent:
    return diagnostic(contract, [symbol("fn_return"), symbol(function)], value)


def metric(name: str, value: Any) -> ContractEvent:
    return diagnostic(b"", [symbol("core_metrics"), symbol(name)], value)


def tree(*events: ContractEvent) -> list[tuple[Any, ...]]:
    """Depth, parent, function and whether it returned, of each call."""
    return [
        (row.depth, row.parent_index, row.function, row.returned) for row in call_rows(ROW, events)
    ]


def test_call_row_has_every_column() -> None:
    events = [
        call(b"", A, "swap", {"vec": [U32, "void"]}),
        end(A, "swap", U32),
        metric("cpu_insn", {"u64": str(2**64 - 1)}),
        metric("mem_byte", {"u64": "5"}),
    ]
    assert call_rows(ROW, events) == [
        ContractCallRow(
            closed_at=CLOSED,
            ledger=1000,
            application_order=3,
            call_index=0,
            depth=0,
            parent_index=None,
            returned=True,
            tx_hash=bytes.fromhex(TX_HASH),
            contract_id=StrKey.encode_contract(A),
            function="swap",
            arguments='[{"u32":7},"void"]',
            result='{"u32":7}',
            core_metrics='{"cpu_insn":18446744073709551615,"mem_byte":5}',
        )
    ]


def test_calls_are_a_tree_in_the_order_in_which_they_began() -> None:
    events = [
        call(b"", A, "swap"),
        call(A, B, "balance"),
        end(B, "balance"),
        call(A, C, "pull"),
        call(C, B, "transfer"),
        end(B, "transfer"),
        end(C, "pull"),
        call(A, B, "push"),
        end(B, "push"),
        end(A, "swap"),
        call(b"", B, "__check_auth"),
        end(B, "__check_auth"),
    ]
    assert tree(*events) == [
        (0, None, "swap", True),
        (1, 0, "balance", True),
        (1, 0, "pull", True),
        (2, 2, "transfer", True),
        (1, 0, "push", True),
        (0, None, "__check_auth", True),
    ]
    metrics = [row.core_metrics for row in call_rows(ROW, [*events, metric("n", {"u64": "1"})])]
    assert metrics == ['{"n":1}', *[None] * 5]


BROKEN = {
    "an inner call fails and the outer one goes on": (
        [call(b"", A, "f"), call(A, B, "try"), call(B, C, "in"), call(A, B, "again"), end(A, "f")],
        [
            (0, None, "f", True),
            (1, 0, "try", False),
            (2, 1, "in", False),
            (1, 0, "again", False),
        ],
    ),
    "no call returns": (
        [call(b"", A, "f"), call(A, B, "g")],
        [(0, None, "f", False), (1, 0, "g", False)],
    ),
    "a return without its call": (
        [end(B, "g"), call(b"", A, "f"), end(B, "g"), end(A, "g"), end(A, "f"), end(A, "f")],
        [(0, None, "f", True)],
    ),
    "a call whose caller was not seen": (
        [call(b"", A, "f"), call(C, B, "g"), end(B, "g"), call(A, B, "h")],
        [(0, None, "f", False), (0, None, "g", True), (0, None, "h", False)],
    ),
    "a contract calls itself": (
        [call(b"", A, "f"), call(A, A, "f"), call(A, A, "f"), end(A, "f"), end(A, "f")],
        [(0, None, "f", False), (1, 0, "f", True), (2, 1, "f", True)],
    ),
    "what is called is no contract": (
        [
            diagnostic(b"", [symbol("fn_call"), "void", symbol("f")]),
            diagnostic(b"", [symbol("fn_call"), {"bytes": ""}, symbol("g")]),
        ],
        [(0, None, "f", False), (0, None, "g", False)],
    ),
    "events of another form": (
        [
            diagnostic(b"", [symbol("fn_call"), {"bytes": A.hex()}, {"string": "f"}]),
            diagnostic(b"", [symbol("fn_call"), symbol("f")]),
            diagnostic(b"", [symbol("fn_call"), {"bytes": A.hex()}, symbol("f"), "void"]),
            diagnostic(b"", [{"string": "fn_call"}, {"bytes": A.hex()}, symbol("f")]),
            diagnostic(b"", [symbol("fn_return"), {"bytes": A.hex()}, symbol("f")]),
            diagnostic(b"", [symbol("core_metrics"), "void"], {"u64": "1"}),
            diagnostic(b"", []),
            metric("cpu_insn", {"u32": 1}),
        ],
        [],
    ),
    "a contract emits such events": (
        [
            diagnostic(A, [symbol("fn_call"), {"bytes": B.hex()}, symbol("f")], kind=CONTRACT),
            diagnostic(A, [symbol("core_metrics"), symbol("n")], {"u64": "1"}, CONTRACT),
        ],
        [],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_trees_are_no_error(name: str) -> None:
    events, wanted = BROKEN[name]
    assert tree(*events) == wanted


def failed(contract: bytes, error: Any) -> ContractEvent:
    return diagnostic(contract, [symbol("error"), {"error": error}])


OWN, OTHER, TRAP = {"contract": 5}, {"contract": 6}, {"wasm_vm": "invalid_action"}
FAILED: dict[str, tuple[list[ContractEvent], list[Any]]] = {
    "its own error goes before that of the host": (
        [call(b"", A, "f"), failed(A, TRAP), failed(A, OWN), failed(A, TRAP), failed(b"", OWN)],
        [OWN],
    ),
    "an error of an inner call that the outer one repeats": (
        [call(b"", A, "f"), call(A, B, "g"), failed(B, OWN), failed(A, OWN), failed(A, TRAP)],
        [TRAP, OWN],
    ),
    "an inner call fails and the outer one goes on": (
        [call(b"", A, "f"), call(A, B, "g"), failed(B, OWN), failed(A, OWN), end(A, "f", U32)],
        [None, OWN],
    ),
    "after that, the outer one fails too": (
        [call(b"", A, "f"), call(A, B, "g"), failed(B, OWN), failed(A, OWN), failed(A, OTHER)],
        [OTHER, OWN],
    ),
    "an error of no call, and events of another form": (
        [call(b"", A, "f"), failed(B, OWN), diagnostic(A, [symbol("error"), symbol("e")])],
        [None],
    ),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_call_that_does_not_return_has_the_error_of_its_contract(name: str) -> None:
    events, wanted = FAILED[name]
    rows = call_rows(ROW, events)
    results = [json.loads(row.result) if row.result else {} for row in rows]
    assert [result.get("error") for result in results] == wanted


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ("void", []),
        (U32, [U32]),
        ({"vec": []}, []),
        ({"vec": [U32, {"vec": [U32]}]}, [U32, {"vec": [U32]}]),
        ({"bytes": "00" * MAX_BYTES}, None),
    ],
)
def test_arguments_are_a_list_unless_they_are_too_large(value: Any, arguments: Any) -> None:
    [row] = call_rows(ROW, [call(b"", A, "f", value), end(A, "f", value)])
    assert (row.arguments and json.loads(row.arguments)) == arguments
    assert (row.result is None, row.returned) == (arguments is None, True)


def test_calls_and_figures_of_a_transaction_are_bounded() -> None:
    events = [call(A, A, "f") for _ in range(MAX_CALLS + 5)]
    events += [metric(f"n{number}", {"u64": "1"}) for number in range(MAX_METRICS + 5)]
    rows = call_rows(ROW, events)
    assert (len(rows), rows[-1].depth, rows[-1].parent_index) == (MAX_CALLS, 999, 998)
    assert len(json.loads(rows[0].core_metrics or "")) == MAX_METRICS


TOPICS = [symbol("fn_call"), {"bytes": A.hex()}, symbol("f")]
TOLD = [
    {"in_successful_contract_call": True, "event": event(TOPICS, U32, "diagnostic")},
    {"in_successful_contract_call": False, "event": event([], "void", "contract")},
]
METAS = {
    3: meta(
        3,
        {
            "ext": "v0",
            "tx_changes_before": [],
            "operations": [],
            "tx_changes_after": [],
            "soroban_meta": {
                "ext": "v0",
                "events": [event([], "void")],
                "return_value": "void",
                "diagnostic_events": TOLD,
            },
        },
    ),
    4: meta_v4(diagnostic_events=TOLD),
}


@pytest.mark.parametrize("version", METAS)
def test_diagnostic_events_are_read_only_if_asked_for(version: int) -> None:
    text = METAS[version]
    told, silent = read_meta_with_diagnostics(text), read_meta(text)
    assert [len(one.topics) for one in told.diagnostics] == [3, 0]
    assert silent.diagnostics == ()
    assert told._replace(diagnostics=()) == silent


def test_row_maker_makes_calls_only_if_asked_for_and_whatever_a_second_node_measured() -> None:
    item = make_transaction(result_meta_xdr=METAS[4])
    other = make_transaction(result_meta_xdr=meta_v4(diagnostic_events=TOLD * 2))
    assert len(TransactionReader(NETWORK, with_calls=True).read(other).calls) == 2
    for with_calls, count in ((False, 0), (True, 1)):
        maker = RowMaker(LedgerRange(1000, 1000), NETWORK, with_calls=with_calls)
        maker.add_transactions([item, other])
        rows = maker.finish()
        assert (len(rows.contract_calls), rows.quarantine) == (count, [])
