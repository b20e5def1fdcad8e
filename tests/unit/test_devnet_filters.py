"""Filters of getEvents: what they refuse, and what they let through."""

from typing import Any

import pytest
from stellar_sdk import scval, xdr

from sorobanflow.devnet.filters import check_filters, make_matchers, read_filters
from sorobanflow.devnet.meta import ContractEvent
from sorobanflow.devnet.params import BadParams, Params

CONTRACT = "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC"
TRANSFER = scval.to_symbol("transfer").to_xdr()
OTHER = scval.to_symbol("other").to_xdr()


def event(*topics: str, kind: int = 1, contract: bytes | None = None) -> ContractEvent:
    values = [xdr.SCVal.from_xdr(topic) for topic in topics]
    body = xdr.ContractEventBody(0, xdr.ContractEventV0(values, scval.to_void()))
    id_ = xdr.ContractID(xdr.Hash(contract)) if contract else None
    made = xdr.ContractEvent(xdr.ExtensionPoint(0), id_, xdr.ContractEventType(kind), body)
    return ContractEvent(made.to_xdr_bytes())


def matches(filters: list[dict[str, Any]], candidate: ContractEvent) -> bool:
    read = read_filters(Params({"filters": filters}))
    assert check_filters(read) is None
    return any(matcher.matches(candidate) for matcher in make_matchers(read))


def complaint(*filters: dict[str, Any]) -> str | None:
    return check_filters(read_filters(Params({"filters": list(filters)})))


@pytest.mark.parametrize(
    ("topic", "counts"),
    [
        ([TRANSFER], [1]),
        (["*"], [1]),
        ([TRANSFER, "*", "*"], [3]),
        ([TRANSFER, "**"], [1, 2, 3, 4]),
        ([TRANSFER, "*", "**"], [2, 3, 4]),
        (["*", "*", "*", "*", "**"], [4]),
        (["**"], [0, 1, 2, 3, 4]),
        ([OTHER, "**"], []),
    ],
)
def test_topic_matches_events_with_these_counts(topic: list[str], counts: list[int]) -> None:
    topics = [TRANSFER, OTHER, OTHER, OTHER]
    passed = [n for n in range(5) if matches([{"topics": [topic]}], event(*topics[:n]))]
    assert passed == counts


def test_topics_are_or_and_filters_are_or() -> None:
    topics = {"topics": [[OTHER], [TRANSFER]]}
    assert matches([topics], event(TRANSFER))
    assert matches([{"type": "system"}, topics], event(TRANSFER))
    assert not matches([{"type": "system", **topics}], event(TRANSFER))


@pytest.mark.parametrize(
    ("types", "contract", "system"),
    [("contract", True, False), ("system", False, True), ("contract,system", True, True)],
)
def test_type_selects(types: str, contract: bool, system: bool) -> None:
    assert matches([{"type": types}], event(kind=1)) is contract
    assert matches([{"type": types}], event(kind=0)) is system


def test_contract_ids_select() -> None:
    own = bytes.fromhex("d7928b72c2703ccfeaf7eb9ff4ef4d504a55a8b979fc9b450ea2c842b4d1ce61")
    assert matches([{"contractIds": [CONTRACT]}], event(contract=own))
    assert not matches([{"contractIds": [CONTRACT]}], event(contract=bytes(32)))
    assert not matches([{"contractIds": [CONTRACT]}], event())


def test_no_filter_lets_all_pass() -> None:
    assert matches([], event(TRANSFER))
    assert matches([{}], event(TRANSFER, kind=0))


@pytest.mark.parametrize(
    ("filter_", "text"),
    [
        (
            {"type": "diagnostic"},
            "filter type invalid: if set, type must be either 'system' or 'contract'",
        ),
        ({"contractIds": [CONTRACT] * 6}, "maximum 5 contract IDs per filter"),
        ({"topics": [["*"]] * 6}, "maximum 5 topics per filter"),
        ({"contractIds": [CONTRACT, "nope"]}, "contract ID 2 invalid"),
        ({"topics": [[]]}, "topic 1 invalid: topic must have at least 1 segment"),
        (
            {"topics": [["*"], ["**", "*"]]},
            "topic 2 invalid: segment 1 invalid: wildcard '**' is only allowed as the last segment",
        ),
        ({"topics": [["*"] * 5]}, "topic 1 invalid: topic cannot have more than 4 segments"),
    ],
)
def test_filter_is_refused_with_the_nodes_text(filter_: dict[str, Any], text: str) -> None:
    assert complaint({}, filter_) == f"filter 2 invalid: {text}"


def test_sixth_filter_is_refused() -> None:
    assert complaint(*[{}] * 6) == "maximum 5 filters per request"


@pytest.mark.parametrize("segment", ["", "not base64!", "AAAA", f"{TRANSFER[:-4]}AAAAAAAA", 7])
def test_segment_that_is_no_value_fails_while_reading(segment: object) -> None:
    with pytest.raises(BadParams):
        read_filters(Params({"filters": [{"topics": [[segment]]}]}))
