"""The true state after ledgers, by way of stellar-sdk's objects: the other derivation.

The last change of a key decides, in the network's order: fees before all transactions, the
transactions, fees after them, upgrades, evictions.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from stellar_sdk import StrKey, xdr

from tests.integration.entry_oracle import KEYS, Values, key_hash, true_rows
from tests.integration.meta_oracle import change_lists, entry_of, key_of
from tests.integration.true_items import Applied

#: `tx_order` of what is outside of transactions.
FEES_BEFORE, FEES_AFTER, UPGRADES, EVICTIONS = 0, 1048575, 1048576, 1048577
PLACE = ("ledger", "tx_order", "op_order", "change_order")
_INSTANCE = xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE
TEMPORARY = xdr.ContractDataDurability.TEMPORARY
EVICTED = {"live_until_ledger": None, "evicted": True}
#: The times to live, which are columns of two tables.
TTL = "ttl"
#: What has a row for each change, not for each key.
EXECUTABLES = "contract_executables"


class Placed(NamedTuple):
    """A change, with its place on the chain in the order of `PLACE`."""

    place: tuple[int, int, int, int]
    item: xdr.LedgerEntryChange


class TrueState:
    """What must be stored, by table and key; of removed entries nothing but that they are."""

    def __init__(self, network: bytes) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], Values]] = {
            name: {} for name in (*KEYS, TTL, EXECUTABLES)
        }
        self._network = network
        self._entries: dict[bytes, xdr.LedgerEntry | None] = {}

    def add_ledger(self, meta: xdr.LedgerCloseMeta) -> None:
        """Add a ledger, which follows the ones before."""
        body: Any = meta.v0 or meta.v1 or meta.v2
        ledger = body.ledger_header.header.ledger_seq.uint32
        for placed in ledger_changes(ledger, body):
            self._apply(placed)
        for number, key in enumerate(getattr(body, "evicted_keys", ())):
            self._evict((ledger, EVICTIONS, 0, number), key)

    def add_transactions(self, transactions: Iterable[Applied]) -> None:
        """Add what a node tells of transactions, in their order."""
        for one in transactions:
            for placed in meta_changes(one.ledger, one.order, one.meta):
                self._apply(placed)

    def _apply(self, placed: Placed) -> None:
        item = placed.item
        key = item.removed or key_of(item)
        if key is None or key.config_setting:
            return
        name, entry = key.to_xdr_bytes(), entry_of(item)
        if item.state is None and key.ttl:
            until = entry and entry.data.ttl and entry.data.ttl.live_until_ledger_seq.uint32
            values = {"live_until_ledger": until, "evicted": False}
            self._keep_ttl(key.ttl.key_hash.hash.hex(), placed.place, values)
        elif item.state is None:
            for row in true_rows(key, entry, self._entries.get(name), self._network):
                self._keep(row.table, row.key, placed.place, row.values)
            if key.contract_data and key.contract_data.key.type is _INSTANCE:
                self._keep_executable(placed, key.contract_data, entry, self._entries.get(name))
        self._entries[name] = entry

    def _evict(self, place: tuple[int, int, int, int], key: xdr.LedgerKey) -> None:
        if key.ttl:
            return
        self._keep_ttl(key_hash(key), place, EVICTED)
        if key.contract_data and key.contract_data.durability is TEMPORARY:
            self._keep("contract_data_entries", (key_hash(key),), place, None)

    def _keep(
        self, table: str, key: tuple[Any, ...], place: tuple[int, ...], values: Values | None
    ) -> None:
        of_key = dict(zip(KEYS[table], key, strict=True))
        of_place = dict(zip(PLACE, place, strict=True))
        row = of_key | {"deleted": values is None} | (values or {}) | of_place
        self.tables[table][key] = row

    def _keep_executable(
        self,
        placed: Placed,
        key: xdr.LedgerKeyContractData,
        entry: xdr.LedgerEntry | None,
        before: xdr.LedgerEntry | None,
    ) -> None:
        after, kind = executable_of(entry), placed.item.type.name.rpartition("_")[2].lower()
        old = after if kind == "restored" else executable_of(before)
        if kind == "updated" and after == old:
            return
        assert key.contract.contract_id is not None
        contract = StrKey.encode_contract(key.contract.contract_id.contract_id.hash)
        values = {"kind": kind, "wasm_hash": after, "wasm_before": old}
        self.tables[EXECUTABLES][(contract, *placed.place)] = values

    def _keep_ttl(self, entry_hash: str, place: tuple[int, ...], values: Values) -> None:
        of_place = {"ttl_ledger": place[0], "ttl_tx_order": place[1]}
        self.tables[TTL][entry_hash,] = {"key_hash": entry_hash} | values | of_place


def executable_of(entry: xdr.LedgerEntry | None) -> str | None:
    """Name what an instance runs."""
    if entry is None:
        return None
    data = entry.data.contract_data
    assert data is not None
    assert data.val.instance is not None
    wasm = data.val.instance.executable.wasm_hash
    return "stellar-asset" if wasm is None else wasm.hash.hex()


def ledger_changes(ledger: int, body: Any) -> Iterator[Placed]:
    """Give the changes of a ledger in the network's order, without evictions."""
    for number, one in enumerate(body.tx_processing, 1):
        yield from _numbered(one.fee_processing, ledger, FEES_BEFORE, number)
    for number, one in enumerate(body.tx_processing, 1):
        yield from meta_changes(ledger, number, one.tx_apply_processing)
    for number, one in enumerate(body.tx_processing, 1):
        after = getattr(one, "post_tx_apply_fee_processing", None)
        if after:
            yield from _numbered(after, ledger, FEES_AFTER, number)
    for number, upgrade in enumerate(body.upgrades_processing, 1):
        yield from _numbered(upgrade.changes, ledger, UPGRADES, number)


def meta_changes(ledger: int, tx_order: int, meta: xdr.TransactionMeta) -> Iterator[Placed]:
    """Give the changes of a transaction in their order."""
    for op_order, items in change_lists(meta):
        for order, item in enumerate(items):
            yield Placed((ledger, tx_order, op_order, order), item)


def _numbered(
    changes: xdr.LedgerEntryChanges, ledger: int, tx_order: int, number: int
) -> Iterator[Placed]:
    for order, item in enumerate(changes.ledger_entry_changes):
        yield Placed((ledger, tx_order, number, order), item)
