import pytest

from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.filters import EventFilter

CONTRACT = "C" + "A" * 55
TRANSFER = "AAAADwAAAAh0cmFuc2Zlcg=="


def test_filter_wire_form_has_only_what_is_set() -> None:
    assert EventFilter((CONTRACT,)).wire() == {"contractIds": (CONTRACT,)}
    assert EventFilter(topics=((TRANSFER, "**"),)).wire() == {"topics": ((TRANSFER, "**"),)}


@pytest.mark.parametrize(
    "topic",
    [
        (TRANSFER,),
        ("*",),
        ("**",),
        ("*", "*", "*", "*", "**"),
        (TRANSFER, "*", "AAAAAQ==", TRANSFER),
    ],
)
def test_filter_takes_one_to_four_segments(topic: tuple[str, ...]) -> None:
    assert EventFilter(topics=(topic,)).topics == (topic,)


@pytest.mark.parametrize(
    "topic",
    [
        (),
        ("*",) * 5,
        ("**", "*"),
        ("",),
        ("transfer",),
        ("AAAA",),
        ("AAAAA===",),
        ("AAAAAQ=",),
        (f"{TRANSFER}\n",),
    ],
)
def test_filter_refuses_other_topics(topic: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        EventFilter(topics=(topic,))


@pytest.mark.parametrize("contract_id", ["", "G" + "A" * 55, "C" + "A" * 54, CONTRACT.lower()])
def test_filter_refuses_what_is_no_contract_id(contract_id: str) -> None:
    with pytest.raises(ConfigurationError):
        EventFilter((contract_id,))


def test_filter_refuses_more_than_the_node_takes() -> None:
    with pytest.raises(ConfigurationError, match="6 contracts"):
        EventFilter((CONTRACT,) * 6)
    with pytest.raises(ConfigurationError, match="6 topics"):
        EventFilter(topics=(("*",),) * 6)
