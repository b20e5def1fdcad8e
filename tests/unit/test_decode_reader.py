"""The parts that types are put together from, on bytes written out by hand."""

import msgspec
import pytest

from sorobanflow.decode import composites, reader, trees
from sorobanflow.decode.reader import Json, from_base64, whole
from sorobanflow.decode.straight import XdrType, code_of_read, code_of_text
from sorobanflow.errors import DecodeError

COLOR = reader.enum("Color", ["red", "green"])
SHAPE = composites.union("Shape", {0: ("point", None), 3: ("line", reader.UINT32)})
CHOICE = composites.selected("Choice", {1: reader.UINT32, 2: COLOR})
TREE = trees.tree("Tree", "children", 2, size=reader.UINT32)
PAIR = composites.struct(first=reader.UINT32, second=reader.opaque(bytes.hex, 5))


def read(kind: XdrType, data: str) -> Json:
    """Read a whole value, and see that walking past it ends at the same byte, as JSON does."""
    xdr = bytes.fromhex(data)
    value = whole("Thing", kind.read)(xdr)
    assert kind.text(xdr, 0) == (msgspec.json.encode(value).decode(), len(xdr))
    assert kind.skip(xdr, 0) == len(xdr)
    return value


@pytest.mark.parametrize(
    ("kind", "data", "wanted"),
    [
        (reader.UINT32, "ffffffff", 4294967295),
        (reader.INT32, "ffffffff", -1),
        (reader.UINT64, "ffffffffffffffff", "18446744073709551615"),
        (reader.INT64, "8000000000000000", "-9223372036854775808"),
        (reader.fixed(4), "01020304", "01020304"),
        (reader.opaque(bytes.hex), "00000000", ""),
        (reader.opaque(bytes.hex), "00000003 0a0b0c 00", "0a0b0c"),
        (reader.opaque(bytes.hex), "00000004 0a0b0c0d", "0a0b0c0d"),
        (COLOR, "00000001", "green"),
        (SHAPE, "00000000", "point"),
        (SHAPE, "00000003 00000007", {"line": 7}),
        (PAIR, "00000001 00000001 ff000000", {"first": 1, "second": "ff"}),
        (composites.optional(COLOR), "00000000", None),
        (composites.optional(COLOR), "00000001 00000000", "red"),
        (composites.array(COLOR), "00000000", []),
        (composites.array(COLOR), "00000002 00000000 00000001", ["red", "green"]),
        (CHOICE, "00000001 00000007", 7),
        (CHOICE, "00000002 00000001", "green"),
        (TREE, "00000007 00000000", {"size": 7, "children": []}),
        (
            TREE,
            "00000001 00000002" + "00000002 00000001 00000003 00000000" + "00000004 00000000",
            {
                "size": 1,
                "children": [
                    {"size": 2, "children": [{"size": 3, "children": []}]},
                    {"size": 4, "children": []},
                ],
            },
        ),
        (reader.EXTENSION_POINT, "00000000", "v0"),
    ],
)
def test_a_type_reads_and_walks(kind: XdrType, data: str, wanted: Json) -> None:
    assert read(kind, data) == wanted


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (reader.UINT32, "000000", "ends within a value"),
        (reader.UINT32, "", "ends within a value"),
        (reader.UINT32, "00000001 00", "ends at byte 4 of 5"),
        (reader.fixed(8), "00000001", "ends within a value"),
        (reader.opaque(bytes.hex), "ffffffff 00000000", "ends at byte 4294967300 of 8"),
        (reader.opaque(bytes.hex), "00000001 00000001", "padding at byte 5 is not zero"),
        (reader.opaque(bytes.hex, 5), "00000006 00000000 00000000", "at most 5"),
        (COLOR, "00000002", "Color has no value 2"),
        (SHAPE, "00000001", "Shape has no arm 1"),
        (SHAPE, "ffffffff", "Shape has no arm 4294967295"),
        (composites.optional(COLOR), "00000002 00000000", "flag 2 at byte 0"),
        (composites.array(COLOR, 1), "00000002 00000000 00000000", "at most 1"),
        (composites.array(COLOR), "00000003 00000000 00000000", "more than the bytes left"),
        (composites.array(reader.HASH), "ffffffff 00000000", "more than the bytes left"),
        (CHOICE, "00000003 00000000", "Choice has no arm 3"),
        (TREE, "00000000 00000001" * 3 + "00000000" * 2, "Tree nests deeper than 2"),
        (TREE, "00000000 ffffffff 00000000", "more than the bytes left"),
        (reader.EXTENSION_POINT, "00000001", "ExtensionPoint has no arm 1"),
    ],
)
def test_a_type_refuses(kind: XdrType, data: str, reason: str) -> None:
    for read in (kind.read, kind.text):
        with pytest.raises(DecodeError, match=rf"^cannot decode Thing \(.*{reason}"):
            whole("Thing", read)(bytes.fromhex(data))


def test_the_code_of_a_type_is_straight() -> None:
    kind = composites.struct(head=PAIR, tail=composites.optional(reader.INT64))
    assert code_of_read(kind).text().splitlines() == [
        "def step(data, at):",
        "    v0, = o1(data, at)",
        "    at += 4",
        "    v2, at = o3(data, at, 5)",
        "    v5 = None",
        "    v6, = o7(data, at)",
        "    at += 4",
        "    if v6 > 1: o8(v6, at - 4)",
        "    if v6:",
        "        v9, = o10(data, at)",
        "        at += 8",
        "        v5 = o11(v9)",
        "    return {'head': {'first': v0, 'second': o4(v2)}, 'tail': v5}, at",
    ]


def test_the_code_of_a_types_json_is_one_string() -> None:
    kind = composites.struct(head=PAIR, tail=composites.optional(reader.INT64))
    assert code_of_text(kind).text().splitlines()[3:] == [
        "    v2, at = o3(data, at, 5)",
        "    v5 = 'null'",
        "    v6, = o7(data, at)",
        "    at += 4",
        "    if v6 > 1: o8(v6, at - 4)",
        "    if v6:",
        "        v9, = o10(data, at)",
        "        at += 8",
        "        v5 = f'\"{o11(v9)}\"'",
        """    return f'{{"head":{{"first":{v0},"second":"{o4(v2)}"}},"tail":{v5}}}', at""",
    ]


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"plain text ~", "plain text ~"),
        (b"", ""),
        (b"\0\t\n\r\\", r"\0\t\n\r\\"),
        (b"\x01\x1f\x7f\x80\xa0\xff", r"\x01\x1f\x7f\x80\xa0\xff"),
        ("é".encode(), r"\xc3\xa9"),
    ],
)
def test_escape_writes_ascii(raw: bytes, wanted: str) -> None:
    assert reader.escape(raw) == wanted


def test_from_base64_gives_the_bytes() -> None:
    assert from_base64("Thing", "AAEC") == b"\0\1\2"


@pytest.mark.parametrize("text", ["AAA", "AA A", "AAEC\n", "AAE*", "AAé=", None, "A\ud800A="])
def test_from_base64_refuses(text: str) -> None:
    with pytest.raises(DecodeError, match=r"^cannot decode Thing"):
        from_base64("Thing", text)


def test_errors_do_not_hold_the_payload() -> None:
    with pytest.raises(DecodeError) as caught:
        from_base64("Thing", "A" * 100_001)
    assert len(str(caught.value)) < 250
