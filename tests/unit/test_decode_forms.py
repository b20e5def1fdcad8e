"""Which form is asked for: JSON only where the node's own answers show it to be equal."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from sorobanflow.decode.forms import Form, choose_form
from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.jsonrpc import RpcError
from sorobanflow.devnet.node import Node
from sorobanflow.devnet.source import ListedLedgers
from sorobanflow.errors import RpcUnavailableError
from sorobanflow.sources.rpc.client import RpcClient
from tests.unit.rpc_node import client_of

GENERATOR = Generator(4, transactions_per_ledger=3)
CLOSED = 12

Tamper = Callable[[str, dict[str, Any], dict[str, Any]], None]


class TwoForms:
    """A devnet behind httpx.MockTransport whose answers a test may change."""

    def __init__(self, chain: Chain, tamper: Tamper = lambda method, params, result: None) -> None:
        self.chain = chain
        self.tamper = tamper
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = json.loads(request.content)
        method, params = call["method"], call.get("params", {})
        self.asked.append((method, params.get("xdrFormat", "")))
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            result = Node(self.chain).call(method, params)
            self.tamper(method, params, result)
            reply["result"] = result
        except RpcError as error:
            reply["error"] = {"code": error.code, "message": error.message}
        return httpx.Response(200, content=msgspec.json.encode(reply))


@pytest.fixture
def chain() -> Chain:
    return Chain(GENERATOR, closed=CLOSED)


def in_json(change: Callable[[str, dict[str, Any]], None]) -> Tamper:
    """Change only what is answered in JSON."""

    def tamper(method: str, params: dict[str, Any], result: dict[str, Any]) -> None:
        if params.get("xdrFormat") == "json":
            change(method, result)

    return tamper


def client(chain: Chain, tamper: Tamper) -> RpcClient:
    return client_of(TwoForms(chain, tamper))


@pytest.mark.parametrize("wanted", ["base64", "json"])
def test_a_named_form_is_taken_unasked(chain: Chain, wanted: Any) -> None:
    node = TwoForms(chain)
    assert choose_form(client_of(node), wanted) == Form(wanted, f"{wanted}: as the settings say")
    assert node.asked == []


def test_auto_takes_json_that_is_equal(chain: Chain) -> None:
    node = TwoForms(chain)
    asker = client_of(node)
    why = "json: equal to base64 for 5 transactions and 10 events of ledgers 2-12"
    assert choose_form(asker, "auto") == Form("json", why)
    assert asker.xdr_format == "base64"
    assert node.asked == [
        ("getHealth", ""),
        *[("getTransactions", ""), ("getEvents", "")],
        *[("getTransactions", "json"), ("getEvents", "json")],
    ]


def base64_reason(chain: Chain, tamper: Tamper) -> str:
    asker = client(chain, tamper)
    form = choose_form(asker, "auto")
    assert form.xdr_format == asker.xdr_format == "base64"
    prefix, _, reason = form.why.partition(": ")
    assert prefix == "base64"
    return reason


def test_auto_names_the_part_that_differs(chain: Chain) -> None:
    def change(method: str, result: dict[str, Any]) -> None:
        if method == "getTransactions":
            row = result["transactions"][1]
            other = json.loads(bytes(row["resultJson"])) | {"fee_charged": "1"}
            result["transactions"][1] = {**row, "resultJson": other}

    tx_hash = GENERATOR.ledger(2).transactions[1].hash
    wanted = f"the result of transaction {tx_hash[:60]} differs in JSON"
    assert base64_reason(chain, in_json(change)) == wanted


def test_auto_compares_events_too(chain: Chain) -> None:
    def change(method: str, result: dict[str, Any]) -> None:
        if method == "getEvents":
            result["events"][3]["valueJson"] = {"i128": "1234567"}

    reason = base64_reason(chain, in_json(change))
    assert reason.startswith("the value of event 00000000")
    assert reason.endswith(" differs in JSON")


@pytest.mark.parametrize(
    ("meta", "wanted"),
    [
        ({"v9": {}}, "cannot be decoded (cannot decode resultMetaJson"),
        (None, "cannot be decoded (the node gave neither base64 XDR nor resultMetaJson)"),
    ],
)
def test_auto_says_what_cannot_be_decoded(chain: Chain, meta: Any, wanted: str) -> None:
    def change(method: str, result: dict[str, Any]) -> None:
        for place, row in enumerate(result.get("transactions", ())):
            row = {name: row[name] for name in row if name != "resultMetaJson"}
            result["transactions"][place] = row | ({"resultMetaJson": meta} if meta else {})

    assert wanted in base64_reason(chain, in_json(change))


def test_auto_is_not_fooled_by_a_node_that_ignores_the_parameter(chain: Chain) -> None:
    node = TwoForms(chain)

    def ignorant(request: httpx.Request) -> httpx.Response:
        return node(
            httpx.Request(
                "POST",
                request.url,
                content=request.content.replace(b'"xdrFormat":"json"', b'"xdrFormat":"base64"'),
            )
        )

    form = choose_form(client_of(ignorant), "auto")
    assert form == Form("base64", "base64: the node answers in base64 when asked for JSON")


def test_auto_takes_a_refusal_for_an_answer(chain: Chain) -> None:
    def refuse(method: str, result: dict[str, Any]) -> None:
        raise RpcError(-32602, "expected base64")

    reason = base64_reason(chain, in_json(refuse))
    assert reason.startswith("the node refuses xdrFormat json (")
    assert "expected base64" in reason


@pytest.mark.parametrize("code", [-32603, -32001])
def test_auto_does_without_json_that_fails(chain: Chain, code: int) -> None:
    def fail(method: str, result: dict[str, Any]) -> None:
        raise RpcError(code, "failed")

    assert base64_reason(chain, in_json(fail)).startswith("the node does not answer in JSON (")


def test_json_that_takes_too_long_leaves_the_pages_of_base64_as_they_are(chain: Chain) -> None:
    def fail(method: str, result: dict[str, Any]) -> None:
        raise RpcError(-32001, "request exceeded processing limit threshold")

    asker = client(chain, in_json(fail))
    assert choose_form(asker, "auto").xdr_format == "base64"
    assert asker.transactions_per_page(200) == 200


def test_auto_refuses_a_malformed_item(chain: Chain) -> None:
    def spoil(method: str, result: dict[str, Any]) -> None:
        if method == "getEvents":
            del result["events"][0]["txHash"]

    reason = base64_reason(chain, in_json(spoil))
    assert reason.startswith("an item of the node's JSON is malformed (")


def test_auto_has_nothing_to_compare_on_an_empty_chain() -> None:
    empty = Chain(ListedLedgers([], 1, 9, GENERATOR.network))
    reason = base64_reason(empty, lambda method, params, result: None)
    assert reason == "the node has no transaction to compare"


def test_auto_compares_what_both_answers_hold(chain: Chain) -> None:
    """Ledgers 2 and 3 leave the node's window between the calls."""

    def move(method: str, result: dict[str, Any]) -> None:
        rows = result.get("transactions", result.get("events"))
        rows[:] = [row for row in rows if row["ledger"] > 2]

    form = choose_form(client(chain, in_json(move)), "auto")
    assert form.xdr_format == "json"
    assert form.why.startswith("json: equal to base64 for 2 transactions and ")


def test_auto_wants_at_least_one_transaction_in_both(chain: Chain) -> None:
    def lose(method: str, result: dict[str, Any]) -> None:
        if method == "getTransactions":
            result["transactions"] = []

    assert base64_reason(chain, in_json(lose)) == "the node gave no transaction in both forms"


def test_auto_leaves_a_node_that_is_down_to_the_caller() -> None:
    asker = client_of(lambda request: httpx.Response(503))
    with pytest.raises(RpcUnavailableError):
        choose_form(asker, "auto")
    assert asker.xdr_format == "base64"
