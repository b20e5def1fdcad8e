"""The true state after whole ledgers, by way of stellar-sdk's objects: the other derivation.

The last change of a key decides, in the network's order: fees before all transactions, the
transactions, fees after them, upgrades, evictions.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from stellar_sdk import StrKey, xdr

from sorobanflow.rows.batch_rows import BatchRows
from tests.integration.meta_oracle import KEPT, change_lists, entry_of, key_of
from tests.integration.sdk_oracle import to_json

EVICTED = (None, True)
TEMPORARY = xdr.ContractDataDurability.TEMPORARY


class TrueState(NamedTuple):
    """What must be stored, by key; of removed entries nothing but that they are removed."""

    accounts: dict[str, Any]  # balance, sequence, number of subentries, flags
    native: dict[str, Any]  # amount
    trust_lines: dict[tuple[str, str], Any]  # of asset and holder: amount
    data: dict[str, Any]  # of the key's hash: the value's XDR
    code: dict[str, Any]  # of the code's hash: the code
    ttl: dict[str, Any]  # of the entry's hash: last ledger, whether it is evicted


def true_state(ledgers: Iterable[bytes]) -> TrueState:
    """Walk over ledgers, which follow each other."""
    state = TrueState({}, {}, {}, {}, {}, {})
    for ledger in ledgers:
        meta = xdr.LedgerCloseMeta.from_xdr_bytes(ledger)
        for item in _changes(meta.v0 or meta.v1 or meta.v2):
            _apply(state, item)
        for key in getattr(meta.v1 or meta.v2, "evicted_keys", ()):
            _evict(state, key)
    return state


def stored_state(rows: BatchRows) -> TrueState:
    """Give the same of a batch's rows."""
    balances = rows.token_balances
    contracts = [(row.key_hash, row) for row in rows.contract_data_entries]
    contracts += [(_code_key_hash(row.wasm_hash), row) for row in rows.contract_code]
    return TrueState(
        {
            row.account_id: _unless(
                row.deleted, (row.balance, row.sequence, row.subentry_count, row.flags)
            )
            for row in rows.account_entries
        },
        {
            row.address: _unless(row.deleted, row.amount)
            for row in balances
            if row.source == "account"
        },
        {
            (str(row.asset), row.address): _unless(row.deleted, row.amount)
            for row in balances
            if row.source == "trustline"
        },
        {
            row.key_hash: _unless(row.deleted, row.value_xdr)
            for row in rows.contract_data_entries
            if row.ledger is not None
        },
        {
            row.wasm_hash: _unless(row.deleted, row.code)
            for row in rows.contract_code
            if row.ledger is not None
        },
        {
            key_hash: (row.live_until_ledger, row.evicted)
            for key_hash, row in contracts
            if row.ttl_ledger is not None
        },
    )


def _changes(body: Any) -> Iterator[xdr.LedgerEntryChange]:
    for one in body.tx_processing:
        yield from one.fee_processing.ledger_entry_changes
    for one in body.tx_processing:
        for _, changes in change_lists(one.tx_apply_processing):
            yield from changes
    for one in body.tx_processing:
        after = getattr(one, "post_tx_apply_fee_processing", None)
        yield from after.ledger_entry_changes if after else ()
    for upgrade in body.upgrades_processing:
        yield from upgrade.changes.ledger_entry_changes


def _apply(state: TrueState, item: xdr.LedgerEntryChange) -> None:
    key = item.removed or key_of(item)
    if item.state is not None or key is None or key.type not in KEPT:
        return
    entry = entry_of(item)
    data = None if entry is None else entry.data
    if key.account:
        account = _account_id(key.account.account_id)
        state.accounts[account] = data and _account(data.account)
        state.native[account] = data and data.account.balance.int64
    elif key.trust_line:
        line, holder = key.trust_line.asset, _account_id(key.trust_line.account_id)
        if line.liquidity_pool_id is None:
            state.trust_lines[_asset(line), holder] = data and data.trust_line.balance.int64
    elif key.contract_data:
        state.data[_hash(key)] = data and data.contract_data.val.to_xdr_bytes()
    elif key.contract_code:
        state.code[key.contract_code.hash.hash.hex()] = data and data.contract_code.code
    elif key.ttl:
        until = data and data.ttl.live_until_ledger_seq.uint32
        state.ttl[key.ttl.key_hash.hash.hex()] = (until, False)


def _evict(state: TrueState, key: xdr.LedgerKey) -> None:
    if key.ttl is None:
        state.ttl[_hash(key)] = EVICTED
    if key.contract_data and key.contract_data.durability is TEMPORARY:
        state.data[_hash(key)] = None


def _account(entry: xdr.AccountEntry) -> tuple[int, ...]:
    return (
        entry.balance.int64,
        entry.seq_num.sequence_number.int64,
        entry.num_sub_entries.uint32,
        entry.flags.uint32,
    )


def _account_id(account: xdr.AccountID) -> str:
    assert account.account_id.ed25519 is not None
    return StrKey.encode_ed25519_public_key(account.account_id.ed25519.uint256)


def _asset(line: xdr.TrustLineAsset) -> str:
    [body] = to_json(line).values()
    return f"{body['asset_code']}:{body['issuer']}"


def _hash(key: xdr.LedgerKey) -> str:
    return sha256(key.to_xdr_bytes()).hexdigest()


def _code_key_hash(wasm_hash: str) -> str:
    code = xdr.LedgerKeyContractCode(xdr.Hash(bytes.fromhex(wasm_hash)))
    return _hash(xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=code))


def _unless(deleted: bool, value: Any) -> Any:
    return None if deleted else value
