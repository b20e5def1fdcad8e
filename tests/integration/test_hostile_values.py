"""Values that nobody well-meaning sends: stored exactly, or in quarantine and whole.

Exactly: the JSON that is read back from the table, encoded again, is the XDR that is
read back, and that is what was sent. One bad item keeps no other out of the tables.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import Engine, text
from stellar_sdk import StrKey, xdr

from sorobanflow.decode.scval import MAX_DEPTH
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.store import schema
from sorobanflow.store.coverage import Stream, open_stream, read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from sorobanflow.store.tables import metadata
from sorobanflow.store.upsert import upsert_batch
from sorobanflow.toid import Position
from tests.unit.meta_xdr import ACCOUNT, CODE, TRUSTLINE, entry, event, meta_v4, operation
from tests.unit.state_items import INSTANCE, PASSPHRASE, account_entry
from tests.unit.wire_items import (
    ALICE,
    ALICE_MUXED,
    NO_META,
    TOKEN,
    make_body,
    make_event,
    make_result,
    make_transaction,
    numbered,
    sign,
    with_its_hash,
)

LEDGER = LedgerRange(1000, 1000)
BALANCE_ID = StrKey.encode_claimable_balance(b"\0" + bytes(range(32)))
POOL = StrKey.encode_liquidity_pool(bytes(range(32)))
VOID = bytes.fromhex("00000001")
SIZE = 64 * 1024
NONE_BUT_NUL = bytes(SIZE)


@pytest.fixture(scope="module")
def tables(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """A database for the module: making one takes longer than most of these tests."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE hostile_values")
    settings = PoolSettings(max_idle=1, max_open=2)
    with open_engine(postgres.url_of("hostile_values"), settings) as engine:
        schema.prepare(engine)
        yield engine


@pytest.fixture
def engine(tables: Engine) -> Engine:
    """The module's database, empty."""
    with tables.begin() as connection:
        names = ", ".join(table.fullname for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names}"))
    return tables


def encode(value: Any) -> bytes:
    return xdr.SCVal.from_json_dict(value).to_xdr_bytes()


def opaque(arm: int, content: bytes) -> bytes:
    """An SCVal of bytes (13), a string (14) or a symbol (15)."""
    padding = bytes(-len(content) % 4)
    return arm.to_bytes(4) + len(content).to_bytes(4) + content + padding


def string(content: bytes) -> bytes:
    return opaque(14, content)


def vec(*items: bytes) -> bytes:
    return bytes.fromhex("0000001000000001") + len(items).to_bytes(4) + b"".join(items)


def nest(depth: int) -> bytes:
    """Vecs in vecs, so many."""
    return vec(VOID)[:-4] * depth + VOID


def data_meta(entries: Iterable[tuple[str, bytes, bytes]], contract: str = TOKEN) -> str:
    """A meta that creates contract data: durability, and any bytes for key and value."""
    changes, raw = [], {}
    for number, (durability, key, value) in enumerate(entries):
        marks = [sha256(f"{number} {part}".encode()).digest() for part in ("key", "value")]
        raw.update(zip(marks, (key, value), strict=True))
        body = {"ext": "v0", "contract": contract, "durability": durability}
        body |= {"key": {"bytes": marks[0].hex()}, "val": {"bytes": marks[1].hex()}}
        changes.append({"created": entry("contract_data", body)})
    meta = base64.b64decode(meta_v4(operations=[operation(changes)]))
    for mark, content in raw.items():
        meta = meta.replace(opaque(13, mark), content)
    return base64.b64encode(meta).decode()


def transaction(meta: str, order: int = 3) -> Transaction:
    item = make_transaction(numbered(order), application_order=order, result_meta_xdr=meta)
    return with_its_hash(item, PASSPHRASE)


def raw_event(topics: list[bytes], value: bytes, number: int = 0) -> Event:
    return msgspec.structs.replace(
        make_event([]),
        id=Position(1000, 3, 0, number).event_id,
        tx_hash=transaction(NO_META).tx_hash,
        topic=topics,
        value=value,
    )


def store(engine: Engine, events: list[Event], transactions: list[Transaction]) -> BatchRows:
    batch = make_rows(LEDGER, events, transactions, PASSPHRASE)
    open_stream(engine, Stream())
    upsert_batch(engine, batch, "all")
    assert read_coverage(engine, "all").covered == ((1000, 1000),)
    return batch


def select(engine: Engine, query: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def check_exact(engine: Engine, values: list[bytes]) -> None:
    """Store the values as data, as keys, as topics and as events' values, and read them back."""
    sent = list(dict.fromkeys(values))
    entries = [("persistent", encode({"u32": number}), v) for number, v in enumerate(sent)]
    entries += [("temporary", value, VOID) for value in sent]
    events = [raw_event([value], value, number) for number, value in enumerate(sent)]
    assert store(engine, events, [transaction(data_meta(entries))]).quarantine == []
    rows = select(engine, "SELECT durability, key, value FROM contract_data_entries")
    assert sorted((row[0], encode(row[1]), encode(row[2])) for row in rows) == sorted(entries)
    events_back = select(engine, "SELECT topics, value FROM events ORDER BY id")
    assert [(encode(topic), encode(value)) for [topic], value in events_back] == [
        (value, value) for value in sent
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(b"\0", b"a\0b\0", b"\\0", b"\\x00", b"\\u0000", b"\\\\u0000"),  # NUL, and its look-alikes
        *(b"\xff\xfe\x80", b"\xed\xa0\x80\xed\xb0\x80", b"\xc0\x80"),  # not UTF-8
        *(b'"\\', b"\\N", b"\\.", b"\t\r\n\x7f", b"'; DROP TABLE events;--"),
        *("\u202e\ufeff\U0001f680".encode(), b""),
    ],
)
def test_strings_of_any_bytes_are_stored_exactly(engine: Engine, content: bytes) -> None:
    check_exact(engine, [opaque(arm, content) for arm in (13, 14, 15, 22)])


def test_every_byte_is_stored_exactly(engine: Engine) -> None:
    check_exact(engine, [string(bytes([byte])) for byte in range(256)])


def test_addresses_of_every_kind_are_stored_exactly(engine: Engine) -> None:
    kinds = [ALICE, TOKEN, ALICE_MUXED, BALANCE_ID, POOL]
    assert [kind[0] for kind in kinds] == ["G", "C", "M", "B", "L"]
    check_exact(engine, [encode({"address": kind}) for kind in kinds])


@pytest.mark.parametrize("owner", [ALICE, ALICE_MUXED, BALANCE_ID, POOL])
def test_data_of_what_is_no_contract_is_stored(engine: Engine, owner: str) -> None:
    key = encode({"vec": [{"symbol": "Balance"}, {"address": ALICE}]})
    meta = data_meta([("persistent", key, encode({"i128": "1"}))], owner)
    assert store(engine, [], [transaction(meta)]).quarantine == []
    [row] = select(engine, "SELECT contract_id, key FROM contract_data_entries")
    assert (row[0], encode(row[1])) == (owner, key)
    assert select(engine, "SELECT * FROM token_balances") == []


@pytest.mark.parametrize("bits", [32, 64, 128, 256])
def test_the_extremes_of_integers_are_stored_exactly(engine: Engine, bits: int) -> None:
    extremes = {f"u{bits}": (0, 1, 2**bits - 1), f"i{bits}": (-(2 ** (bits - 1)), -1, 0)}
    extremes[f"i{bits}"] += (2 ** (bits - 1) - 1,)
    numbers = [(arm, number) for arm, values in extremes.items() for number in values]
    as_text = int if bits == 32 else str
    check_exact(engine, [encode({arm: as_text(number)}) for arm, number in numbers])
    arms = [(arm, int(n)) for [(arm, n)] in (row[0].items() for row in values_of(engine))]
    assert sorted(arms) == sorted(numbers)


def values_of(engine: Engine) -> list[Any]:
    return select(engine, "SELECT value FROM contract_data_entries WHERE durability <> 'temporary'")


def test_times_of_any_size_are_stored_exactly(engine: Engine) -> None:
    arms = ("timepoint", "duration")
    check_exact(engine, [encode({arm: str(n)}) for arm in arms for n in (0, 2**63, 2**64 - 1)])


def test_values_nested_to_the_limit_are_stored_exactly(engine: Engine) -> None:
    check_exact(engine, [nest(MAX_DEPTH), nest(MAX_DEPTH - 1), vec(nest(MAX_DEPTH - 1))])


@pytest.mark.parametrize(
    "value",
    [
        opaque(13, bytes(range(256)) * (SIZE // 256)),
        string(NONE_BUT_NUL),
        string(b"\\" * SIZE),
        vec(*[VOID] * (SIZE // 4)),
        vec(*[nest(MAX_DEPTH - 1)] * (SIZE // 2400)),
        encode({"map": [{"key": {"u32": n}, "val": {"u64": str(n)}} for n in range(SIZE // 20)]}),
        encode({"map": [{"key": {"symbol": "same"}, "val": "void"}] * (SIZE // 16)}),
    ],
    ids=["bytes", "nul", "backslashes", "voids", "deep", "map", "equal-keys"],
)
def test_an_entry_of_64_kib_is_stored_exactly(engine: Engine, value: bytes) -> None:
    assert len(value) >= SIZE * 0.9
    check_exact(engine, [value])


def test_arguments_of_any_value_are_stored_exactly(engine: Engine) -> None:
    sent = [
        *(string(b"\0\xff\\"), string(NONE_BUT_NUL)),
        *(encode({"address": kind}) for kind in (ALICE_MUXED, BALANCE_ID, POOL)),
        *(encode({"u256": str(2**256 - 1)}), encode({"i256": str(-(2**255))})),
    ]
    call = transaction_of_call(sent)
    assert store(engine, [], [call]).quarantine == []
    assert [encode(value) for value in stored_arguments(engine)] == sent


@pytest.mark.parametrize(("depth", "stored"), [(100, True), (1000, False), (5000, False)])
def test_arguments_nested_deeper_than_the_host_may_be_refused(
    engine: Engine, depth: int, stored: bool
) -> None:
    call = transaction_of_call([nest(depth)])
    batch = store(engine, [], [call])
    if stored:
        assert batch.quarantine == []
        assert [encode(value) for value in stored_arguments(engine)] == [nest(depth)]
    else:
        check_quarantine(engine, [call])


def transaction_of_call(args: list[bytes]) -> Transaction:
    """A transaction that calls a contract with these SCVals."""
    marks = [sha256(bytes([number])).digest() for number in range(len(args))]
    call = {"contract_address": TOKEN, "function_name": "f"}
    call |= {"args": [{"bytes": mark.hex()} for mark in marks]}
    body = {"invoke_host_function": {"host_function": {"invoke_contract": call}, "auth": []}}
    envelope = {"tx": sign(make_body([{"source_account": None, "body": body}]))}
    code = {"txsuccess": [{"opinner": {"invoke_host_function": {"success": "00" * 32}}}]}
    item = make_transaction(envelope, make_result(code))
    raw = item.envelope_xdr
    for mark, arg in zip(marks, args, strict=True):
        raw = raw.replace(opaque(13, mark), arg)
    item = msgspec.structs.replace(item, envelope_xdr=raw)
    with suppress(DecodeError):  # no hash for what nobody can read
        return with_its_hash(item, PASSPHRASE)
    return item


def stored_arguments(engine: Engine) -> Any:
    path = "details #> '{host_function,invoke_contract,args}'"
    [(stored,)] = select(engine, f"SELECT {path} FROM operations")
    return stored


@pytest.mark.parametrize("asset", [b"native\0", b"\xff:\xfe", NONE_BUT_NUL])
@pytest.mark.parametrize("holder", [ALICE_MUXED, BALANCE_ID, POOL])
def test_a_transfer_of_anything_is_stored_exactly(
    engine: Engine, asset: bytes, holder: str
) -> None:
    topics = [encode({"symbol": "transfer"}), *[encode({"address": holder})] * 2, string(asset)]
    value = encode({"i128": str(2**127 - 1)})
    batch = store(engine, [raw_event(topics, value)], [transaction(data_meta([]))])
    assert batch.quarantine == []
    [(stored,)] = select(engine, "SELECT topics FROM events")
    assert [encode(topic) for topic in stored] == topics
    rows = select(engine, "SELECT asset, amount FROM token_operations")
    assert rows == [(None, 2**127 - 1)]


def test_an_absent_vec_or_map_is_stored_exactly(engine: Engine) -> None:
    absent = {"vec": bytes.fromhex("0000001000000000"), "map": bytes.fromhex("0000001100000000")}
    entries = [("persistent", value, vec(value)) for value in absent.values()]
    events = [raw_event([*absent.values()], absent["map"])]
    assert store(engine, events, [transaction(data_meta(entries))]).quarantine == []
    rows = select(engine, "SELECT key, value FROM contract_data_entries ORDER BY key::text DESC")
    assert rows == [({arm: None}, {"vec": [{arm: None}]}) for arm in ("vec", "map")]
    [row] = select(engine, "SELECT topics, value FROM events")
    assert row == ([{"vec": None}, {"map": None}], {"map": None})


def hexed(head: str, rest: bytes = b"") -> bytes:
    return bytes.fromhex(head) + rest


KEY = bytes(range(32))
UNREADABLE = {
    "scval-arm": hexed("00000017"),
    "scval-arm-high": hexed("ffffffff"),
    "bool": hexed("0000000000000002"),
    "error-type": hexed("000000020000000a00000000"),
    "error-code": hexed("00000002000000010000000a"),
    "address-arm": hexed("0000001200000005", KEY),
    "public-key-arm": hexed("000000120000000000000001", KEY),
    "balance-id-arm": hexed("000000120000000300000001", KEY),
    "executable-arm": hexed("000000130000000300000000"),
    "vec-flag": hexed("000000100000000200000000"),
    "map-flag": hexed("000000110000000200000000"),
    "symbol-of-33": opaque(15, b"s" * 33),
    "padding": hexed("0000000e0000000161000001"),
    "count": hexed("0000001000000001ffffffff"),
    "length": hexed("0000000efffffffc"),
    "too-deep": nest(MAX_DEPTH + 1),
    "far-too-deep": nest(5 * SIZE // 12),
    "unknown-within": vec(VOID, hexed("00000017"), VOID),
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_value_is_in_quarantine_and_keeps_nothing_out(
    engine: Engine, value: bytes
) -> None:
    bad_value = transaction(data_meta([("persistent", VOID, value)]), order=1)
    bad_key = transaction(data_meta([("persistent", value, VOID)]), order=2)
    good = transaction(data_meta([("persistent", VOID, VOID)]), order=3)
    bad_events = [raw_event([value], VOID, 0), raw_event([VOID], value, 1)]
    store(engine, [*bad_events, raw_event([VOID], VOID, 2)], [bad_value, bad_key, good])
    check_quarantine(engine, [*bad_events, bad_value, bad_key])
    assert select(engine, "SELECT hash FROM transactions") == [(good.tx_hash,)]
    [event] = select(engine, "SELECT id, topics, value FROM events")
    assert event == (Position(1000, 3, 0, 2).event_id, ["void"], "void")
    rows = select(engine, "SELECT key, value, created_tx_hash FROM contract_data_entries")
    assert rows == [("void", "void", good.tx_hash)]


def check_quarantine(engine: Engine, items: list[Event | Transaction]) -> None:
    """The items are in quarantine, each with all that the node sent."""
    rows = select(engine, "SELECT kind, ledger, payload::text, error_class FROM quarantine")
    kinds = ["event" if isinstance(item, Event) else "transaction" for item in items]
    assert sorted(row[0] for row in rows) == sorted(kinds)
    assert {(row[1], row[3]) for row in rows} == {(1000, "DecodeError")}
    payloads = [json.loads(row[2]) for row in rows]
    assert all(msgspec.to_builtins(item) in payloads for item in items)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("00000004", "00000005"),  # TransactionMeta
        ("000000000000000500000006", "000000050000000500000006"),  # LedgerEntryChangeType
        ("0000000500000006", "000000050000000a"),  # LedgerEntryType
        ("0000000100000001", "0000000100000002"),  # ContractDataDurability
        ("0000000500000006", "000000050000000600000001"),  # ExtensionPoint
    ],
    ids=["version", "change", "entry", "durability", "extension"],
)
def test_an_unknown_arm_of_the_meta_is_in_quarantine(engine: Engine, old: str, new: str) -> None:
    meta = base64.b64decode(data_meta([("persistent", VOID, VOID)]))
    patched = meta.replace(bytes.fromhex(old), bytes.fromhex(new), 1)
    assert patched != meta
    bad = transaction(base64.b64encode(patched).decode(), order=1)
    good = transaction(data_meta([("persistent", VOID, VOID)]))
    store(engine, [], [bad, good])
    check_quarantine(engine, [bad])
    assert select(engine, "SELECT created_tx_hash FROM contract_data_entries") == [(good.tx_hash,)]


@pytest.mark.parametrize("amount", [2**127 - 1, -(2**127)])
@pytest.mark.parametrize("holder", [ALICE, TOKEN, ALICE_MUXED, BALANCE_ID, POOL])
def test_a_balance_of_any_holder_and_amount_is_exact(
    engine: Engine, holder: str, amount: int
) -> None:
    key = encode({"vec": [{"symbol": "Balance"}, {"address": holder}]})
    meta = data_meta([("persistent", key, encode({"i128": str(amount)}))])
    assert store(engine, [], [transaction(meta)]).quarantine == []
    rows = select(engine, "SELECT contract_id, address, amount FROM token_balances")
    assert rows == [(TOKEN, holder, amount)]


@pytest.mark.parametrize(
    "value",
    [
        "void", {"u128": "1"}, {"i64": "1"}, {"map": []}, {"map": [{"key": "void", "val": "void"}]},
        {"map": [{"key": {"symbol": "amount"}, "val": {"u32": 1}}]}, {"string": "1"},
    ],
)  # fmt: skip
def test_a_balance_of_no_known_form_is_a_row_without_amount(engine: Engine, value: Any) -> None:
    key = encode({"vec": [{"symbol": "Balance"}, {"address": ALICE}]})
    meta = data_meta([("persistent", key, encode(value))])
    assert store(engine, [], [transaction(meta)]).quarantine == []
    rows = select(engine, "SELECT amount, authorized, clawback FROM token_balances")
    assert rows == [(None, None, None)]


def token(name: bytes, executable: Any, admin: str = ALICE) -> str:
    """A meta that creates the instance of a token contract."""
    mark = sha256(b"name").hexdigest()
    fields = {"name": {"string": mark}, "symbol": {"string": ""}, "decimal": {"u32": 2**32 - 1}}
    storage = [
        {"key": {"symbol": "METADATA"}, "val": {"map": [field(*item) for item in fields.items()]}},
        {"key": {"vec": [{"symbol": "Admin"}]}, "val": {"address": admin}},
    ]
    value = {"contract_instance": {"executable": executable, "storage": storage}}
    whole = encode(value).replace(string(mark.encode()), string(name))
    return data_meta([("persistent", encode(INSTANCE), whole)])


def field(name: str, value: Any) -> Any:
    return {"key": {"symbol": name}, "val": value}


@pytest.mark.parametrize("executable", [{"wasm": "ab" * 32}, "stellar_asset"])
@pytest.mark.parametrize("admin", [ALICE, ALICE_MUXED, BALANCE_ID, POOL])
@pytest.mark.parametrize(
    ("name", "escaped"),
    [(b"a\0\xff\\", r"a\0\xff\\"), (NONE_BUT_NUL, r"\0" * SIZE), (b"native", "native")],
    ids=["bytes", "64-kib", "native"],
)
def test_token_metadata_of_any_bytes_are_stored(
    engine: Engine, name: bytes, escaped: str, executable: Any, admin: str
) -> None:
    batch = store(engine, [], [transaction(token(name, executable, admin))])
    assert batch.quarantine == []
    columns = "name, symbol, decimals, admin, asset, issuer"
    [row] = select(engine, f"SELECT {columns} FROM token_metadata")
    assert row == (escaped, "", 2**32 - 1, admin, None, None)


def test_a_token_run_by_reference_is_stored(engine: Engine) -> None:
    executable = {"external_ref": {"executable_owner": TOKEN, "tag": "a"}}
    batch = store(engine, [], [transaction(token(b"a", executable))])
    assert batch.quarantine == []
    assert select(engine, "SELECT name, wasm_hash FROM token_metadata") == [("a", None)]


def test_code_of_any_bytes_is_stored_exactly(engine: Engine) -> None:
    code = bytes(range(256)) * 512
    changes = [{"created": entry("contract_code", CODE | {"code": code.hex()})}]
    meta = meta_v4(operations=[operation(changes)])
    assert store(engine, [], [transaction(meta)]).quarantine == []
    assert select(engine, "SELECT code, size FROM contract_code") == [(code, 128 * 1024)]


def test_an_account_of_extremes_is_stored_exactly(engine: Engine) -> None:
    v3 = {"ext": "v0", "seq_ledger": 2**32 - 1, "seq_time": str(2**64 - 1)}
    v2 = {"num_sponsored": 2**32 - 1, "num_sponsoring": 2**32 - 1}
    v2 |= {"signer_sponsoring_i_ds": [], "ext": {"v3": v3}}
    v1 = {"liabilities": {"buying": str(-(2**63)), "selling": str(2**63 - 1)}, "ext": {"v2": v2}}
    account = ACCOUNT | {
        "balance": str(-(2**63)),
        "seq_num": str(2**63 - 1),
        "home_domain": r"\0\xff\\",
        "thresholds": "ffffffff",
        "signers": [],
        "ext": {"v1": v1},
    }
    check_account(engine, account)
    columns = "balance, sequence, home_domain, master_weight, high_threshold, buying_liabilities"
    [row] = select(engine, f"SELECT {columns} FROM account_entries")
    assert row == (-(2**63), 2**63 - 1, r"\0\xff\\", 255, 255, -(2**63))
    columns = "sponsored_count, sponsoring_count, sequence_ledger, sequence_time"
    [row] = select(engine, f"SELECT {columns} FROM account_entries")
    assert row == (2**32 - 1, 2**32 - 1, 2**32 - 1, 2**64 - 1)


@pytest.mark.parametrize(
    ("field", "column"), [("flags", "flags"), ("num_sub_entries", "subentry_count")]
)
def test_an_account_may_count_to_the_end_of_u32(engine: Engine, field: str, column: str) -> None:
    check_account(engine, account_entry(ALICE, 1, **{field: 2**32 - 1}))
    assert select(engine, f"SELECT {column} FROM account_entries") == [(2**32 - 1,)]


def check_account(engine: Engine, account: Any) -> None:
    meta = meta_v4(operations=[operation([{"created": entry("account", account)}])])
    assert store(engine, [], [transaction(meta)]).quarantine == []


def test_a_trust_line_of_extremes_is_stored_exactly(engine: Engine) -> None:
    line = TRUSTLINE | {"balance": str(-(2**63)), "limit": str(2**63 - 1), "flags": 2**32 - 1}
    meta = meta_v4(operations=[operation([{"created": entry("trustline", line)}])])
    assert store(engine, [], [transaction(meta)]).quarantine == []
    rows = select(engine, "SELECT amount, authorized, clawback FROM token_balances")
    assert rows == [(-(2**63), True, True)]


@pytest.mark.parametrize("code", [b"\0\0\0\0", b"U\0D\0", b"\xff\0\0\0", b"\\\0\0\0"])
def test_a_trust_line_of_no_asset_is_in_quarantine(engine: Engine, code: bytes) -> None:
    changes = [{"created": entry("trustline", TRUSTLINE)}]
    meta = base64.b64decode(meta_v4(operations=[operation(changes)])).replace(b"USD\0", code)
    bad = transaction(base64.b64encode(meta).decode(), order=1)
    good = transaction(data_meta([("persistent", VOID, VOID)]))
    store(engine, [], [bad, good])
    check_quarantine(engine, [bad])
    assert select(engine, "SELECT created_tx_hash FROM contract_data_entries") == [(good.tx_hash,)]


@pytest.mark.parametrize("refund", [2**63 - 1, 2**127])
def test_a_refund_beyond_all_money_keeps_nothing_out(engine: Engine, refund: int) -> None:
    fee = event([{"symbol": "fee"}, {"address": ALICE}], {"i128": str(-refund)})
    changes = [{"created": entry("account", account_entry(ALICE, 1))}]
    meta = meta_v4(
        operations=[operation(changes)], events=[{"stage": "after_all_txs", "event": fee}]
    )
    bad = transaction(meta, order=1)
    good = transaction(data_meta([("persistent", VOID, VOID)]))
    store(engine, [], [bad, good])
    assert select(engine, "SELECT created_tx_hash FROM contract_data_entries") == [(good.tx_hash,)]


@pytest.mark.parametrize("content", ["\0", "\\u0000", "\ud800", "'; --", "\U0001f680"])
def test_a_field_of_any_text_is_in_quarantine(engine: Engine, content: str) -> None:
    bad_event = msgspec.structs.replace(raw_event([VOID], VOID), type=content)
    bad = msgspec.structs.replace(transaction(data_meta([]), order=1), status=content)
    good = transaction(data_meta([("persistent", VOID, VOID)]))
    store(engine, [bad_event], [bad, good])
    check_quarantine(engine, [bad_event, bad])
    assert select(engine, "SELECT hash FROM transactions") == [(good.tx_hash,)]
