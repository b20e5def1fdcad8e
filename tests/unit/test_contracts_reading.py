"""What Wasms say of themselves: real ones, and those that nobody should trust."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stellar_sdk.sep.contract_meta import ContractMeta
from stellar_sdk.sep.contract_spec import ContractSpec

from sorobanflow.contracts.reading import MAX_ENTRIES, MAX_SECTION_BYTES, read_interface
from sorobanflow.contracts.rust import print_interface
from sorobanflow.contracts.spec import Event, Function, Spec
from sorobanflow.contracts.types import Enum, Field, Member, Named, Option, Plain, Struct, Type
from sorobanflow.contracts.values import Mismatch, decode_value
from sorobanflow.contracts.views import event_view, function_view, struct_view
from sorobanflow.decode.spec_types import MAX_TYPE_DEPTH
from sorobanflow.errors import DecodeError
from tests.unit.spec_xdr import HEAD, section, spec_section, wasm

SPEC = "contractspecv0"
U32 = Plain("u32")


@pytest.fixture(scope="session")
def wasms(test_data: Path) -> Callable[[str], bytes]:
    return lambda name: next((test_data / "wasms").glob(f"{name}*.wasm")).read_bytes()


def real_codes(test_data: Path) -> Iterator[bytes]:
    for path in sorted((test_data / "wasms").glob("*.wasm")):
        yield path.read_bytes()


def test_all_real_wasms_are_read_as_stellar_sdk_reads_them(test_data: Path) -> None:
    count = 0
    for code in real_codes(test_data):
        interface = read_interface(code)
        assert interface.problems == ()
        ours = ContractSpec.from_xdr_bytes(spec_section(interface.spec))
        assert facts(ours) == facts(ContractSpec.from_wasm(code))
        assert interface.meta == ContractMeta.from_wasm(code).items()
        count += 1
    assert count == 37


def facts(spec: ContractSpec) -> str:
    """All but the docs with control characters, and with Rust's () as void."""
    text = json.dumps([entry.to_json_dict() for entry in spec])
    text = text.replace('{"tuple": {"value_types": []}}', '"void"')
    text = text.replace('"outputs": ["void"]', '"outputs": []')
    return re.sub(r'"doc": "[^"]*(x1b|xef)[^"]*"', '"doc": ""', text)


def test_all_real_wasms_give_views_and_a_text(test_data: Path) -> None:
    columns = 0
    for code in real_codes(test_data):
        spec = read_interface(code).spec
        views = [event_view(one, spec) for one in spec.events]
        views += [function_view(one, spec) for one in spec.functions.values()]
        views += [struct_view(one, spec) for one in spec.types.values() if isinstance(one, Struct)]
        columns += sum(len(view.columns) for view in views)
        text = print_interface(spec)
        assert all(char.isprintable() or char == "\n" for char in text)
        assert text.count("    fn ") == len(spec.functions)
    assert columns == 3024


def test_an_interface_is_printed_as_rust(wasms: Callable[[str], bytes]) -> None:
    text = print_interface(read_interface(wasms("7c0dea81a72d")).spec)
    assert text.startswith(
        '#[soroban_sdk::contractargs(name = "Args")]\n'
        '#[soroban_sdk::contractclient(name = "Client")]\n'
        "pub trait Contract {\n"
    )
    for part in (
        "    /// Example contract method which takes a struct\n"
        "    fn strukt_hel(env: soroban_sdk::Env, strukt: Test)"
        " -> soroban_sdk::Vec<soroban_sdk::Symbol>;\n",
        "pub struct TupleStruct(pub Test, pub SimpleEnum);\n",
        "    Asset(soroban_sdk::Address, i128),\n    Void,\n",
        "pub enum Error {\n    /// Please provide an odd number\n    NumberMustBeOdd = 1,\n}\n",
        '#[soroban_sdk::contractevent(topics = ["nested"], data_format = "vec", export = false)]\n',
        "    #[topic]\n    pub simple: SimpleEnum,\n    pub tuple_strukt: TupleStruct,\n",
    ):
        assert part in text


def test_what_a_contract_says_cannot_steer_a_terminal(wasms: Callable[[str], bytes]) -> None:
    text = print_interface(read_interface(wasms("45a3dcc97307")).spec)
    assert "    /// \ufffd[999A\ufffd[J [  SECURITY STATUS" in text
    assert "    fn \\x1b[A\\x1b[2K[ HIJACKED_FUNC ](env: soroban_sdk::Env);" in text


def nested(depth: int) -> Type:
    kind: Type = U32
    for _ in range(depth):
        kind = Option(kind)
    return kind


def with_spec(data: bytes) -> bytes:
    return HEAD + section(SPEC, data)


DEEP = spec_section(Spec((Function("f", (), nested(MAX_TYPE_DEPTH + 1)),)))
MANY = spec_section(Spec((Enum("E", ()),))) * (MAX_ENTRIES + 1)
UNKNOWN = bytes([0, 0, 0, 6])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"", "no Wasm module"),
        (b"\0asm\2\0\0\0", "no Wasm module"),
        (HEAD, "0 sections contractspecv0"),
        (HEAD + b"\0\xff\xff\xff\xff\x0f", "a section ends at byte"),
        (HEAD + b"\0\xff\xff\xff\xff\xff", "no number of 32 bits"),
        (HEAD + b"\0\x80", "no number of 32 bits"),
        (HEAD + b"\0\x02\x05a", "the name of a section ends"),
        (HEAD + section(SPEC, b"") * 2, "2 sections contractspecv0"),
        (with_spec(UNKNOWN), "SCSpecEntry has no arm 6"),
        (with_spec(b"\0\0\0\0\xff\xff\xff\xff"), "cannot decode SCSpecEntry"),
        (with_spec(DEEP), f"types nest deeper than {MAX_TYPE_DEPTH}"),
        (with_spec(MANY), f"more than {MAX_ENTRIES} entries"),
        (with_spec(bytes(MAX_SECTION_BYTES + 1)), f"at most {MAX_SECTION_BYTES}"),
    ],
    ids=range(13),
)
def test_a_wasm_without_a_spec_that_can_be_read_has_a_reason(code: bytes, reason: str) -> None:
    interface = read_interface(code)
    assert interface.spec == Spec()
    assert reason in " ".join(interface.problems)


def test_a_broken_spec_leaves_the_metadata() -> None:
    metas = wasm(Spec(), sep="41,46")
    code = with_spec(UNKNOWN) + metas[metas.index(b"contractmetav0") - 7 :]
    interface = read_interface(code)
    assert interface.meta == (("sep", "41,46"),)
    assert len(interface.problems) == 1


def test_names_that_are_no_utf8_are_escaped_and_docs_are_replaced() -> None:
    raw = spec_section(Spec((Function("ab", (), U32, "cd"),)))
    code = with_spec(raw.replace(b"ab", b"\xff\0").replace(b"cd", b"\xff\0"))
    [function] = read_interface(code).spec.functions.values()
    assert (function.name, function.doc) == (r"\xff\0", "\ufffd\ufffd")


def test_what_is_declared_twice_is_found_only_if_both_are_alike() -> None:
    one, other = Struct("A", (Field("x", U32),)), Struct("A", (Field("x", Plain("i32")),))
    assert Spec((one, one)).types == {"A": one}
    assert Spec((one, other)).types == {}
    assert isinstance(decode_value({"map": []}, Named("A"), Spec((one, other))), Mismatch)
    twins = Enum("E", (Member("X", 1), Member("Y", 1)))
    assert isinstance(decode_value({"u32": 1}, Named("E"), Spec((twins,))), Mismatch)


def test_types_that_hold_each_other_many_times_make_no_view() -> None:
    names = "abcdefghij"
    structs = [
        Struct(name, tuple(Field(f"f{n}", Named(names[(at + 1) % 10])) for n in range(10)))
        for at, name in enumerate(names)
    ]
    with pytest.raises(DecodeError, match="more than 3000"):
        struct_view(structs[0], Spec(tuple(structs)))


def test_a_value_deeper_than_the_limit_does_not_match() -> None:
    spec = Spec((Struct("A", (Field("0", nested(MAX_TYPE_DEPTH - 1)), Field("1", Named("A")))),))
    value = {"vec": []}
    for _ in range(190):
        value = {"vec": [{"u32": 1}, value]}
    assert isinstance(decode_value(value, Named("A"), spec), Mismatch)


def test_events_of_a_spec_are_found_in_order(wasms: Callable[[str], bytes]) -> None:
    events = read_interface(wasms("06672bb9c201")).spec.events
    assert [one.name for one in events][:2] == ["Burn", "Mint"]
    assert all(isinstance(one, Event) for one in events)
