import pytest

from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.filters import EventFilter

CONTRACT = "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"
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


@pytest.mark.parametrize(
    ("contract_id", "wrong"),
    [
        ("", "expected C and 55"),
        ("G" + CONTRACT[1:], "expected C and 55"),
        (CONTRACT[:-1], "expected C and 55"),
        (CONTRACT.lower(), "expected C and 55"),
        (CONTRACT[:-1] + "6", "checksum"),
        (CONTRACT.replace("TSZ", "TZS"), "checksum"),
        ("CD" + CONTRACT[2:], "checksum"),
    ],
)
def test_filter_refuses_what_is_no_contract_id(contract_id: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        EventFilter((contract_id,))


def test_filter_refuses_more_than_the_node_takes() -> None:
    with pytest.raises(ConfigurationError, match="6 contracts"):
        EventFilter((CONTRACT,) * 6)
    with pytest.raises(ConfigurationError, match="6 topics"):
        EventFilter(topics=(("*",),) * 6)


def test_filter_is_read_as_it_was_written() -> None:
    written = EventFilter((CONTRACT,), ((TRANSFER, "**"), ("*",)))
    assert EventFilter.of_json(written.canonical_json) == written
    for odd in ("{", "[]", '{"topics": "x"}', '{"type": "system"}', '{"topics": [["x"]]}'):
        with pytest.raises(ConfigurationError):
            EventFilter.of_json(odd)
