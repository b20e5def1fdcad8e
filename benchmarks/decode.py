"""What decoding costs: our reader of XDR beside stellar-sdk.

    python -m benchmarks.decode [rounds]

Microseconds a transaction, and an event, of recorded ledgers: decoded alone, and
decoded and made into the rows of all tables; beside it stellar-sdk's `from_xdr` and
`to_json_dict` of the same values, which is no more than our decoding alone. Each
measurement starts with empty caches, and the garbage collector is set as the flow sets
it. The floor is base64 to bytes.
"""

import gc
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd
from stellar_sdk import xdr

from benchmarks import common, plain
from deployments.services import devnet
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.pipeline.decoding import reduced_gc
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.sources.rpc.client import RpcClient

#: Events at which the sample is full; it ends with whole ledgers.
MAX_EVENTS = 1000
COLUMNS = ("base64", "XDR", "XDR and rows", "stellar-sdk")


def main(rounds: int) -> None:
    """Run the rounds, print the tables, keep the medians."""
    with reduced_gc():
        results = measure(rounds, common.RECORDINGS)
    kept = {}
    for what, times in results.groupby("what", sort=False):
        medians = times.groupby("recording", sort=False).median(numeric_only=True)
        print(table(str(what), medians), end="\n\n")
        kept[what] = medians.to_dict("index")
    common.save("decode", rounds=rounds, microseconds=kept)


def measure(rounds: int, recordings: Sequence[str], max_events: int = MAX_EVENTS) -> pd.DataFrame:
    """Give microseconds per item, a row per round, recording and kind of item."""
    results: list[dict[str, Any]] = []
    for name in recordings:
        with devnet(["--recording", str(common.recording(name))]) as url, RpcClient(url) as client:
            fetched = next(plain.fetch_batches(client, max_events))
            passphrase = client.get_network().passphrase
        for _ in range(rounds):
            results += [
                {"recording": name, "what": "transaction"} | _transactions(fetched, passphrase),
                {"recording": name, "what": "event"} | _events(fetched, passphrase),
            ]
    return pd.DataFrame(results)


def _transactions(fetched: plain.FetchedBatch, passphrase: str) -> dict[str, float]:
    items = [item for item in fetched.transactions if isinstance(item, Transaction)]
    rows = partial(plain.rows_of, passphrase=passphrase)
    xdrs = [(one.envelope_xdr, one.result_xdr, one.result_meta_xdr) for one in items]
    bodies = [b64encode(data) for parts in xdrs for data in parts]
    return _per_item(
        len(items),
        lambda: _each(b64decode, bodies),
        lambda: _each(decode_transaction, items),
        lambda: rows(fetched._replace(events=[])),
        lambda: _each(_sdk_transaction, items),
    )


def _events(fetched: plain.FetchedBatch, passphrase: str) -> dict[str, float]:
    items = [item for item in fetched.events if isinstance(item, Event)]
    texts = [b64encode(data) for item in items for data in _scvals(item)]
    rows = partial(plain.rows_of, passphrase=passphrase)
    return _per_item(
        len(items),
        lambda: _each(b64decode, texts),
        lambda: _each(plain.decode_event, items),
        lambda: rows(fetched._replace(transactions=[])),
        lambda: _each(_sdk_event, items),
    )


def _each(decode: Callable[[Any], object], items: Iterable[object]) -> None:
    for item in items:
        decode(item)


def _per_item(count: int, *ways: Callable[[], object]) -> dict[str, float]:
    """Time each way, in the order of `COLUMNS`; gives microseconds per item."""
    microseconds = []
    for way in ways:
        _forget()
        began = time.perf_counter()
        way()
        microseconds.append((time.perf_counter() - began) * 1e6 / count)
    return {"items": count} | dict(zip(COLUMNS, microseconds, strict=True))


def _forget() -> None:
    """Empty the decoder's caches, so that no way profits from the one before."""
    for name, module in [*sys.modules.items()]:
        if name.startswith("sorobanflow."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    gc.collect()


def _scvals(item: Event) -> list[bytes]:
    return [*(item.topic or ()), item.value]


def _sdk_transaction(item: Transaction) -> None:
    xdr.TransactionEnvelope.from_xdr_bytes(item.envelope_xdr).to_json_dict()  # type: ignore[no-untyped-call]
    xdr.TransactionResult.from_xdr_bytes(item.result_xdr).to_json_dict()  # type: ignore[no-untyped-call]
    xdr.TransactionMeta.from_xdr_bytes(item.result_meta_xdr).to_json_dict()  # type: ignore[no-untyped-call]


def _sdk_event(item: Event) -> None:
    for data in _scvals(item):
        xdr.SCVal.from_xdr_bytes(data).to_json_dict()  # type: ignore[no-untyped-call]


def table(what: str, medians: pd.DataFrame) -> str:
    """Write what an item costs, and how much faster than stellar-sdk it is decoded."""
    columns = (f"µs per {what}", "items", *COLUMNS, "XDR, times faster")
    rows = [
        (
            name,
            f"{row['items']:,.0f}",
            *(f"{row[column]:,.1f}" for column in COLUMNS),
            f"{row['stellar-sdk'] / row['XDR']:.1f}",
        )
        for name, row in medians.iterrows()
    ]
    return common.markdown(columns, rows)


if __name__ == "__main__":
    main(common.rounds_wanted())
