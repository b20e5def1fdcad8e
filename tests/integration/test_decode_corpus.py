"""Every recorded transaction says the same to our reader and to stellar-sdk's objects."""

import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import xdr

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.result_types import TRANSACTION_RESULT
from sorobanflow.decode.scval import SC_VAL, read_scval
from sorobanflow.rows.values import json_text
from tests.integration.meta_oracle import sdk_entry, sdk_meta
from tests.integration.sdk_oracle import sdk_envelope, sdk_result, to_json, unpack
from tests.unit.sep51 import read_envelope, read_meta, read_result

Corpus = Callable[[str], list[dict[str, Any]]]


def seen(metas: Iterable[str]) -> Counter[str]:
    """Compare metas read in both ways; count what they hold."""
    counts: Counter[str] = Counter()
    for text in metas:
        meta = read_meta(text)
        assert meta == sdk_meta(text)
        assert [one.read() for one in meta.changes] == [sdk_entry(one) for one in meta.changes]
        counts.update(counted(meta))
    return counts


def counted(meta: Meta) -> Iterator[str]:
    for change in meta.changes:
        yield from (change.type, change.kind)
        yield from ["before"] if change.before_xdr is not None else []
        yield from ["sponsor"] if change.read().sponsor is not None else []
    yield from ["refund"] * len(meta.refunds)
    yield from ["fees"] if meta.soroban_fees is not None else []


def test_core_tests_read_as_stellar_sdk_reads_them(corpus: Corpus) -> None:
    metas = [row["result_meta_xdr"] for row in corpus("core-tests")[1::2]]
    assert len(metas) == 903
    assert seen(metas) == {
        "account": 1246,
        "trustline": 174,
        "offer": 23,
        "contract_data": 693,
        "contract_code": 279,
        "ttl": 310,
        "created": 402,
        "updated": 2213,
        "removed": 60,
        "restored": 50,
        "before": 473,
        "sponsor": 6,
        "refund": 19,
        "fees": 517,
    }


def test_effects_cases_read_as_stellar_sdk_reads_them(corpus: Corpus) -> None:
    # One row has its base64 in lines, as no node sends it.
    metas = [row["result_meta_xdr"].replace("\n", "") for row in corpus("effects-cases")[1:]]
    assert seen(metas) == {
        "account": 118,
        "trustline": 35,
        "offer": 16,
        "data": 2,
        "claimable_balance": 6,
        "liquidity_pool": 11,
        "contract_data": 26,
        "contract_code": 1,
        "ttl": 19,
        "created": 49,
        "updated": 162,
        "removed": 19,
        "restored": 4,
        "before": 8,
        "sponsor": 25,
        "fees": 24,
    }


def sample(recording_path: Callable[[str], Path], recording: str) -> Iterator[dict[str, Any]]:
    """All transactions of pubnet, and every fortieth of the load generator, which are alike."""
    with gzip.open(recording_path(recording), "rt") as lines:
        rows = (row for line in islice(lines, 1, None) for row in json.loads(line)["transactions"])
        yield from islice(rows, 0, None, 40 if recording == "applyload-10048" else 1)


RECORDINGS = {
    "pubnet-30822015": {
        "account": 2370,
        "trustline": 2030,
        "offer": 1803,
        "created": 778,
        "updated": 4659,
        "removed": 766,
    },
    "pubnet-51000294": {
        "account": 1213,
        "trustline": 765,
        "offer": 504,
        "liquidity_pool": 40,
        "contract_data": 5,
        "ttl": 1,
        "created": 123,
        "updated": 2337,
        "removed": 68,
        "before": 1,
        "sponsor": 8,
        "fees": 1,
    },
    "pubnet-63092990": {
        "account": 540,
        "trustline": 677,
        "offer": 227,
        "claimable_balance": 86,
        "liquidity_pool": 37,
        "contract_data": 22,
        "ttl": 7,
        "created": 109,
        "updated": 1482,
        "removed": 5,
        "before": 6,
        "sponsor": 102,
        "refund": 25,
        "fees": 25,
    },
    "pubnet-63800060": {
        "account": 161,
        "trustline": 282,
        "offer": 109,
        "liquidity_pool": 15,
        "created": 2,
        "updated": 564,
        "removed": 1,
        "sponsor": 9,
    },
    "applyload-10048": {
        "account": 387,
        "contract_data": 720,
        "ttl": 720,
        "updated": 387,
        "restored": 1440,
        "fees": 360,
    },
}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recordings_read_as_stellar_sdk_reads_them(
    recording_path: Callable[[str], Path], recording: str
) -> None:
    rows = sample(recording_path, recording)
    assert seen(row["result_meta_xdr"] for row in rows) == RECORDINGS[recording]


def same_forms(rows: Iterable[dict[str, str]]) -> Counter[str]:
    """Compare envelopes and results read in both ways; count the forms of envelopes."""
    counts: Counter[str] = Counter()
    for row in rows:
        # One row of effects-cases has its base64 in lines, as no node sends it.
        envelope, result = (row[part].replace("\n", "") for part in ("envelope_xdr", "result_xdr"))
        read = read_envelope(envelope)
        read_text, result_text = json_text(read), json_text(read_result(result))
        assert read_text == json_text(sdk_envelope(envelope))
        assert result_text == json_text(sdk_result(result))
        assert TRANSACTION_ENVELOPE.text(b64decode(envelope), 0)[0] == read_text
        assert TRANSACTION_RESULT.text(b64decode(result), 0)[0] == result_text
        counts[next(iter(read))] += 1
    return counts


def test_core_tests_have_the_same_form(corpus: Corpus) -> None:
    forms = {"tx": 895, "tx_fee_bump": 8}
    assert same_forms(corpus("core-tests")[1::2]) == forms


def test_effects_cases_have_the_same_form(corpus: Corpus) -> None:
    forms = {"tx_v0": 4, "tx": 35, "tx_fee_bump": 1}
    assert same_forms(corpus("effects-cases")[1:]) == forms


@pytest.mark.parametrize(
    ("recording", "forms"),
    [
        ("pubnet-30822015", {"tx": 650}),
        ("pubnet-51000294", {"tx": 537, "tx_fee_bump": 4}),
        ("pubnet-63092990", {"tx": 214, "tx_fee_bump": 22}),
        ("pubnet-63800060", {"tx": 45, "tx_fee_bump": 5}),
        ("applyload-10048", {"tx": 369}),
    ],
)
def test_recordings_have_the_same_form(
    recording_path: Callable[[str], Path], recording: str, forms: dict[str, int]
) -> None:
    assert same_forms(sample(recording_path, recording)) == forms


PARTS = {
    "envelope_xdr": xdr.TransactionEnvelope,
    "result_xdr": xdr.TransactionResult,
    "result_meta_xdr": xdr.TransactionMeta,
}


def test_core_tests_go_back_to_the_same_bytes(corpus: Corpus) -> None:
    """Every fourth, but those with an absent vec or map: stellar-sdk takes back no null."""
    counts: Counter[str] = Counter()
    for row in corpus("core-tests")[1::4]:
        for part, kind in PARTS.items():
            json_form = to_json(unpack(kind, row[part]))
            if has_absent(json_form):
                counts["absent"] += 1
                continue
            assert kind.from_json_dict(json_form).to_xdr() == row[part]
            counts[part] += 1
    assert counts == {
        "envelope_xdr": 448,
        "result_xdr": 452,
        "result_meta_xdr": 452,
        "absent": 4,
    }


def test_scvals_of_core_tests_go_back_to_the_same_bytes(corpus: Corpus) -> None:
    texts = [row["result_meta_xdr"] for row in corpus("core-tests")[1::4]]
    values = {data for text in texts for data in scvals_of(text)}
    assert len(values) == 897
    for data in values:
        value = read_scval(data)
        assert SC_VAL.text(data, 0) == (json_text(value), len(data))
        assert not has_absent(value)
        assert xdr.SCVal.from_json_dict(value).to_xdr_bytes() == data


def scvals_of(text: str) -> Iterator[bytes]:
    """The SCVals of a meta: of entries and keys, of events, and what was returned."""
    pending: list[Any] = [unpack(xdr.TransactionMeta, text)]
    while pending:
        item = pending.pop()
        if isinstance(item, xdr.SCVal):
            yield item.to_xdr_bytes()
        elif isinstance(item, list):
            pending.extend(item)
        elif type(item).__module__.startswith("stellar_sdk.xdr") and not isinstance(item, Enum):
            pending.extend(vars(item).values())


def has_absent(value: Any) -> bool:
    text = json.dumps(value)
    return '{"vec": null}' in text or '{"map": null}' in text
