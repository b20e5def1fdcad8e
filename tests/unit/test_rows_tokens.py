import tracemalloc
from datetime import UTC, datetime
from struct import pack
from typing import Any

import pytest

from sorobanflow.errors import DecodeError
from sorobanflow.rows.events import event_row
from sorobanflow.rows.state_rows import TokenRow
from sorobanflow.rows.token_shapes import TYPES
from sorobanflow.rows.tokens import TokenOperationRow, asset_contract_id, token_operation_row
from sorobanflow.toid import MAX_OP, MAX_TX, Position
from tests.unit.wire_items import ALICE, ALICE_MUXED, BOB, CAROL, TOKEN, TX_HASH, make_event, symbol

TESTNET = "Test SDF Network ; September 2015"
PUBNET = "Public Global Stellar Network ; September 2015"
NATIVE = "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC"  # of testnet
USDC_ISSUER = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"
USDC = f"USDC:{USDC_ISSUER}"
USDC_CONTRACT = "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"  # of pubnet
TWELVELETTER_CONTRACT = "CBQM6MO6V2OHCIKGRLEVVXAVTN3A2W22EZQDHX3YLE3VDM3QCCUO36KM"
BALANCE = "BAAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAITUM"
POOL = "LABAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAFUYU"


def topics_of(name: str, *rest: str) -> list[Any]:
    """Topics from short notation: an address as it is, any other text a string."""
    kinds = ["address" if text[0] in "GCMBL" and len(text) > 50 else "string" for text in rest]
    return [symbol(name), *({kind: text} for kind, text in zip(kinds, rest, strict=True))]


def row_of(
    topics: list[Any],
    value: Any,
    successful: bool | None = True,
    passphrase: str = TESTNET,
    **changes: Any,
) -> tuple[TokenOperationRow, TokenRow] | None:
    event = make_event(topics, value, **changes)
    return token_operation_row(event_row(event), event, passphrase, successful)


def found(topics: list[Any], value: Any, **changes: Any) -> TokenOperationRow:
    rows = row_of(topics, value, **changes)
    assert rows is not None
    return rows[0]


def asset_of(topics: list[Any], value: Any, **changes: Any) -> str | None:
    rows = row_of(topics, value, **changes)
    assert rows is not None
    assert rows[1].contract_id == rows[0].contract_id
    return rows[1].asset


def test_token_operation_row_has_every_column() -> None:
    topics = topics_of("transfer", ALICE, BOB, "native")
    row = TokenOperationRow(
        closed_at=datetime(2026, 7, 21, 18, 1, 10, tzinfo=UTC),
        ledger=1000,
        tx_index=3,
        op_index=1,
        event_index=2,
        type=0,
        successful=True,
        tx_hash=bytes.fromhex(TX_HASH),
        contract_id=NATIVE,
        from_address=ALICE,
        to_address=BOB,
        admin_address=None,
        amount=3000000000,
        authorized=None,
        live_until_ledger=None,
        to_muxed_id=None,
        to_muxed_type=None,
    )
    value = {"i128": "3000000000"}
    assert row_of(topics, value, contract_id=NATIVE) == (row, TokenRow(NATIVE, "native"))


@pytest.mark.parametrize("asset", [(), ("native",)], ids=["custom", "asset contract"])
@pytest.mark.parametrize(
    ("name", "addresses", "wanted"),
    [
        ("transfer", (ALICE, BOB), (ALICE, BOB, None)),
        ("mint", (BOB,), (None, BOB, None)),
        ("mint", (CAROL, BOB), (None, BOB, CAROL)),
        ("burn", (ALICE,), (ALICE, None, None)),
        ("clawback", (ALICE,), (ALICE, None, None)),
        ("clawback", (CAROL, ALICE), (ALICE, None, CAROL)),
    ],
)
def test_shapes_with_an_amount(
    name: str, addresses: tuple[str, ...], wanted: tuple[Any, ...], asset: tuple[str, ...]
) -> None:
    row = found(topics_of(name, *addresses, *asset), {"i128": "7"})
    assert (TYPES[row.type], row.amount) == (name, 7)
    assert (row.from_address, row.to_address, row.admin_address) == wanted


@pytest.mark.parametrize("asset", [(), ("native",)])
@pytest.mark.parametrize(
    "value",
    [
        {"vec": [{"i128": "9"}, {"u32": 4294967295}]},
        {
            "map": [
                {"key": symbol("amount"), "val": {"i128": "9"}},
                {"key": symbol("live_until_ledger"), "val": {"u32": 4294967295}},
            ]
        },
    ],
)
def test_approve(value: Any, asset: tuple[str, ...]) -> None:
    row = found(topics_of("approve", ALICE, BOB, *asset), value)
    assert (row.from_address, row.to_address) == (ALICE, BOB)
    assert (row.amount, row.live_until_ledger) == (9, 4294967295)


@pytest.mark.parametrize(("addresses", "admin"), [((ALICE,), None), ((CAROL, ALICE), CAROL)])
def test_set_authorized(addresses: tuple[str, ...], admin: str | None) -> None:
    row = found(topics_of("set_authorized", *addresses, "native"), {"bool": False})
    assert (row.to_address, row.admin_address, row.authorized) == (ALICE, admin, False)
    assert row.amount is None


@pytest.mark.parametrize("asset", [(), ("native",)])
def test_set_admin(asset: tuple[str, ...]) -> None:
    row = found(topics_of("set_admin", CAROL, *asset), {"address": BOB})
    assert (row.admin_address, row.to_address, row.from_address) == (CAROL, BOB, None)


@pytest.mark.parametrize(
    "position",
    [Position(1000, 0, 0, 7), Position(1000, 3, MAX_OP, 0), Position(1000, MAX_TX, 0, 1)],
)
def test_fee_events_stand_outside_operations(position: Position) -> None:
    event = {"id": position.event_id, "contract_id": NATIVE}
    row = found(topics_of("fee", ALICE), {"i128": "-42"}, **event)
    assert (TYPES[row.type], row.from_address, row.amount) == ("fee", ALICE, -42)
    assert (row.ledger, row.tx_index, row.op_index, row.event_index) == position
    assert asset_of(topics_of("fee", ALICE), {"i128": "-42"}, **event) == "native"


def test_a_contract_cannot_state_a_fee() -> None:
    assert row_of(topics_of("fee", ALICE), {"i128": "42"}) is None


@pytest.mark.parametrize(
    "amount",
    [-170141183460469231731687303715884105728, 170141183460469231731687303715884105727],
)
def test_amounts_are_exact(amount: int) -> None:
    assert found(topics_of("burn", ALICE), {"i128": str(amount)}).amount == amount


@pytest.mark.parametrize("to", [TOKEN, BALANCE, POOL, ALICE_MUXED])
def test_addresses_of_every_kind(to: str) -> None:
    assert found(topics_of("transfer", ALICE, to), {"i128": "1"}).to_address == to


@pytest.mark.parametrize(
    ("muxed", "wanted"),
    [
        ({"u64": "18446744073709551615"}, ("18446744073709551615", "u64")),
        ({"string": r"a\0b"}, (r"a\0b", "string")),
        ({"bytes": "00ff"}, ("00ff", "bytes")),
        ("void", (None, None)),
        (None, (None, None)),
    ],
)
def test_muxed_destination(muxed: Any, wanted: tuple[str | None, str | None]) -> None:
    entries = [{"key": symbol("amount"), "val": {"i128": "5"}}]
    if muxed is not None:
        entries.append({"key": symbol("to_muxed_id"), "val": muxed})
    row = found(topics_of("transfer", ALICE, BOB, "native"), {"map": entries})
    assert row.amount == 5
    assert (row.to_muxed_id, row.to_muxed_type) == wanted


def test_the_asset_of_its_own_contract_is_named() -> None:
    topics = topics_of("burn", ALICE, USDC)
    asset = asset_of(topics, {"i128": "1"}, contract_id=USDC_CONTRACT, passphrase=PUBNET)
    assert asset == USDC


@pytest.mark.parametrize(
    ("asset", "contract_id", "passphrase"),
    [
        pytest.param(USDC, TOKEN, PUBNET, id="imitation"),
        pytest.param(USDC, USDC_CONTRACT, TESTNET, id="another network"),
        pytest.param(f"USDT:{USDC_ISSUER}", USDC_CONTRACT, PUBNET, id="another code"),
        pytest.param("native", USDC_CONTRACT, PUBNET, id="another asset"),
        pytest.param("XLM", NATIVE, TESTNET, id="not how the native asset is written"),
        pytest.param("", TOKEN, PUBNET, id="empty"),
        pytest.param(r"\0", TOKEN, PUBNET, id="NUL"),
        pytest.param("x" * 500, TOKEN, PUBNET, id="long"),
        pytest.param("USDC:GABC", TOKEN, PUBNET, id="no issuer"),
    ],
)
def test_an_asset_that_the_contract_does_not_prove_is_not_named(
    asset: str, contract_id: str, passphrase: str
) -> None:
    topics = [*topics_of("transfer", ALICE, BOB), {"string": asset}]
    where = {"contract_id": contract_id, "passphrase": passphrase}
    assert asset_of(topics, {"i128": "1"}, **where) is None
    row = found(topics, {"i128": "1"}, **where)
    assert (row.from_address, row.to_address, row.amount) == (ALICE, BOB, 1)


def test_long_texts_in_place_of_an_asset_are_not_remembered() -> None:
    events = [make_event(topics_of("transfer", ALICE, BOB, "x"), {"i128": "1"}) for _ in range(9)]
    tracemalloc.start()
    for number, event in enumerate(events):
        text = str(number).encode() * 20_000
        row = event_row(event)
        event.topic = [*(event.topic or ())[:-1], pack(">II", 14, len(text)) + text]
        assert token_operation_row(row, event, TESTNET, successful=True) is not None
        event.topic = None
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3 * 20_000


@pytest.mark.parametrize(
    ("asset", "passphrase", "wanted"),
    [
        ("native", TESTNET, NATIVE),
        ("native", PUBNET, "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA"),
        (USDC, PUBNET, USDC_CONTRACT),
        (f"Y{USDC}", PUBNET, "CBS7PAMUADJJVVT3RP6M6ETO6YNKIDNH7BVO7THGGFJ44DE4G6WX5T5S"),
        (f"TWELVELETTER:{USDC_ISSUER}", PUBNET, TWELVELETTER_CONTRACT),
        (f"US-C:{USDC_ISSUER}", PUBNET, None),
        (f"USDC:{USDC_CONTRACT}", PUBNET, None),
        ("USDC", PUBNET, None),
        (":", PUBNET, None),
    ],
)
def test_asset_contract_id(asset: str, passphrase: str, wanted: str | None) -> None:
    assert asset_contract_id(asset, passphrase) == wanted


AMOUNT = {"i128": "1"}


@pytest.mark.parametrize(
    ("topics", "value"),
    [
        pytest.param([], AMOUNT, id="no topics"),
        pytest.param([{"string": "transfer"}, {"address": ALICE}], AMOUNT, id="not a symbol"),
        pytest.param(["void"], AMOUNT, id="void topic"),
        pytest.param(topics_of("swap", ALICE, BOB), AMOUNT, id="another name"),
        pytest.param(topics_of("transfer"), AMOUNT, id="no addresses"),
        pytest.param(topics_of("transfer", ALICE), AMOUNT, id="one address"),
        pytest.param(topics_of("transfer", ALICE, BOB, CAROL), AMOUNT, id="three addresses"),
        pytest.param(topics_of("burn", ALICE, BOB), AMOUNT, id="two addresses"),
        pytest.param([symbol("mint"), {"u32": 1}], AMOUNT, id="number for an address"),
        pytest.param(topics_of("transfer", "native", ALICE), AMOUNT, id="asset in the middle"),
        pytest.param([symbol("transfer"), "void", {"address": BOB}], AMOUNT, id="void address"),
        pytest.param(topics_of("transfer", ALICE, BOB), {"u128": "1"}, id="u128"),
        pytest.param(topics_of("transfer", ALICE, BOB), "void", id="no amount"),
        pytest.param(topics_of("transfer", ALICE, BOB), {"map": []}, id="empty map"),
        pytest.param(
            topics_of("transfer", ALICE, BOB),
            {
                "map": [
                    {"key": symbol("amount"), "val": AMOUNT},
                    {"key": symbol("to_muxed_id"), "val": {"bool": True}},
                ]
            },
            id="muxed id of another type",
        ),
        pytest.param(topics_of("approve", ALICE, BOB), AMOUNT, id="approve of a bare amount"),
        pytest.param(topics_of("approve", ALICE, BOB), {"vec": [AMOUNT]}, id="approve of one"),
        pytest.param(topics_of("set_authorized", ALICE), AMOUNT, id="authorized by a number"),
        pytest.param(topics_of("set_admin", ALICE), AMOUNT, id="number as admin"),
    ],
)
def test_another_shape_is_no_token_operation(topics: list[Any], value: Any) -> None:
    assert row_of(topics, value) is None


@pytest.mark.parametrize("absent", ["00000010 00000000", "00000011 00000000"])
@pytest.mark.parametrize("name", ["transfer", "approve", "fee"])
def test_an_absent_vec_or_map_is_no_token_operation(name: str, absent: str) -> None:
    event = make_event(topics_of(name, ALICE, BOB))
    event.value = bytes.fromhex(absent)
    assert token_operation_row(event_row(event), event, TESTNET, True) is None


@pytest.mark.parametrize("changes", [{"type": "system"}, {"contract_id": ""}])
def test_an_event_of_no_contract_is_no_token_operation(changes: dict[str, Any]) -> None:
    assert row_of(topics_of("burn", ALICE), AMOUNT, **changes) is None


def test_unknown_success_is_refused() -> None:
    with pytest.raises(DecodeError, match="was applied"):
        row_of(topics_of("burn", ALICE), AMOUNT, successful=None)


def test_unknown_success_of_no_token_operation_is_no_matter() -> None:
    assert row_of(topics_of("swap", ALICE), AMOUNT, successful=None) is None
