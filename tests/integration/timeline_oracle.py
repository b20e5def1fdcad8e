"""What ledgers say of upgrades, evictions and lives of entries, by way of stellar-sdk's objects."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, text
from stellar_sdk import xdr

from tests.integration.sdk_oracle import to_json
from tests.integration.true_items import Applied

TYPES = xdr.OperationType
Event = tuple[int, str, str | None, str, int | None]  # ledger, kind, transaction, what, live until


def check_timeline(
    connection: Connection, ledgers: Iterable[xdr.LedgerCloseMeta], applied: Iterable[Applied]
) -> Counter[str]:
    """Compare the view with what the ledgers say; counts its rows by kind."""
    stated = [*(event for meta in ledgers for event in _of_ledger(meta))]
    stated += [event for one in applied if one.successful for event in _of_transaction(one)]
    query = "SELECT ledger, kind, tx_hash, what, live_until_ledger, contract_id FROM timeline"
    shown = [*connection.execute(text(query))]
    assert Counter((*row[:3], _text(row[3]), row[4]) for row in shown) == Counter(stated)
    for row in shown:
        assert row.contract_id == row.what.get("contract_data", {}).get("contract")
    return Counter(f"timeline: {row.kind}" for row in shown)


def _of_ledger(meta: xdr.LedgerCloseMeta) -> Iterator[Event]:
    body: Any = meta.v0 or meta.v1 or meta.v2
    ledger = body.ledger_header.header.ledger_seq.uint32
    for one in body.upgrades_processing:
        yield ledger, "upgrade", None, _text(to_json(one.upgrade)), None
    for key in getattr(body, "evicted_keys", ()):
        if key.ttl is None:
            yield ledger, "eviction", None, _text(to_json(key)), None


def _of_transaction(one: Applied) -> Iterator[Event]:
    data = getattr(one.inner.ext, "soroban_data", None)
    if data is None:
        return
    body, footprint = one.inner.operations[0].body, data.resources.footprint
    if body.type is TYPES.EXTEND_FOOTPRINT_TTL:
        until = one.ledger + body.extend_footprint_ttl_op.extend_to.uint32
        yield from _each(one, "extension", footprint.read_only, until)
    elif body.type is TYPES.RESTORE_FOOTPRINT:
        yield from _each(one, "restoration", footprint.read_write)
    elif data.ext.resource_ext:
        places = data.ext.resource_ext.archived_soroban_entries
        keys = [footprint.read_write[place.uint32] for place in places]
        yield from _each(one, "automatic_restoration", keys)


def _each(
    one: Applied, kind: str, keys: Iterable[xdr.LedgerKey], until: int | None = None
) -> Iterator[Event]:
    for key in keys:
        yield one.ledger, kind, one.hash, _text(to_json(key)), until


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
