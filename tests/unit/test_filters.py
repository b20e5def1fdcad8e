import pytest
from stellar_sdk import Address, scval

from sorobanflow.errors import ConfigurationError
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.topics import encode_segment

CONTRACT = "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"
TRANSFER = "AAAADwAAAAh0cmFuc2Zlcg=="
CONTRACT_XDR = scval.to_address(CONTRACT).to_xdr()


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


@pytest.mark.parametrize(
    "address",
    [
        CONTRACT,
        "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
        "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUAAAAAAAAAAE2JUG6",
        "BAAD6DBUX6J22DMZOHIEZTEQ64CVCHEDRKWZONFEUL5Q26QD7R76RGR4TU",
        "LA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUPJN",
    ],
)
def test_an_address_is_written_as_a_node_takes_it(address: str) -> None:
    of_sdk = scval.to_address(Address(address)).to_xdr()
    assert encode_segment(address) == of_sdk
    with pytest.raises(ConfigurationError, match="checksum"):
        encode_segment(address[:-1] + ("A" if address[-1] != "A" else "B"))


@pytest.mark.parametrize("symbol", ["a", "swap", "SetAdmin", "x_1", "A" * 4, "a" * 32])
def test_a_symbol_is_written_as_a_node_takes_it(symbol: str) -> None:
    assert encode_segment(symbol) == scval.to_symbol(symbol).to_xdr()


@pytest.mark.parametrize("segment", ["", "a" * 33, "pool.swap", "swap\n", "é", "G" + "A" * 54])
def test_what_is_no_segment_is_refused(segment: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a symbol"):
        EventFilter.of(None, [[segment]])


def test_a_filter_is_the_same_however_it_is_written() -> None:
    of_xdr = EventFilter(topics=(("*", CONTRACT_XDR), (TRANSFER, "**")))
    assert EventFilter.of(None, [["*", CONTRACT]], ["transfer"]) == of_xdr
    assert EventFilter.of(None, [[TRANSFER, "**"], ["*", CONTRACT_XDR]]) == of_xdr
