"""What a recording holds and leaves behind, read from its XDR with stellar-sdk alone."""

import gzip
import hashlib
import json
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

from stellar_sdk import Asset, xdr

#: Where a balance is: contract id of the token and address of the holder.
Holder = tuple[str, str]


def recorded_transactions(path: Path, ledgers: int | None = None) -> list[dict[str, Any]]:
    """Transactions of a recording's first ledgers, with their ledger, as they were applied."""
    with gzip.open(path, "rt") as lines:
        next(lines)
        recorded = [json.loads(line) for line in islice(lines, ledgers)]
    return [
        transaction | {"ledger": ledger["ledger"]}
        for ledger in recorded
        for transaction in sorted(ledger["transactions"], key=lambda one: one["application_order"])
    ]


class ChainFacts:
    """Counts of a recording, or of its first ledgers, and the state after the last transaction.

    Attributes:
        counts: Transactions, failed ones, operations and events.
        accounts: Balance and sequence number by account; None: removed.
        balances: Amount by holder, of accounts, trust lines and contract data.
        bases: The same before the recording, of those whose first change shows it;
            an account's before the fees of that ledger.
        data: SHA-256 of the value's XDR by key hash; None: removed.
        lives: Live-until ledger by key hash; None: removed.
        code: Wasm by hash.
    """

    def __init__(self, path: Path, ledgers: int | None = None) -> None:
        with gzip.open(path, "rt") as lines:
            self._passphrase = json.loads(next(lines))["passphrase"]
        self.native = Asset.native().contract_id(self._passphrase)
        self.counts: Counter[str] = Counter()
        self.accounts: dict[str, tuple[int, int] | None] = {}
        self.balances: dict[Holder, int | None] = {}
        self.bases: dict[Holder, int] = {}
        self.data: dict[str, str | None] = {}
        self.lives: dict[str, int | None] = {}
        self.code: dict[str, bytes | None] = {}
        self._refunds: list[tuple[int, str, int]] = []
        self._fees: defaultdict[tuple[int, str], int] = defaultdict(int)
        self._first_seen: dict[str, int] = {}
        self._assets: dict[str, str] = {}
        ledger = 0
        for transaction in recorded_transactions(path, ledgers):
            if transaction["ledger"] != ledger:
                self._pay_refunds()
                ledger = transaction["ledger"]
            self._take(transaction)
        self._pay_refunds()
        for account, seen in self._first_seen.items():
            self.bases[self.native, account] += self._fees[seen, account]

    def _take(self, transaction: dict[str, Any]) -> None:
        envelope = xdr.TransactionEnvelope.from_xdr(transaction["envelope_xdr"])
        meta = xdr.TransactionMeta.from_xdr(transaction["result_meta_xdr"])
        self.counts["transactions"] += 1
        self.counts["failed"] += transaction["status"] == "FAILED"
        self.counts["operations"] += len(_operations(envelope))
        assert meta.v4 is not None  # every recording has metas of this version
        body = meta.v4
        self.counts["events"] += len(body.events) + sum(len(one.events) for one in body.operations)
        for event in body.events:
            self._fee(transaction["ledger"], event)
        if not body.events:
            assert envelope.v1 is not None
            payer = envelope.v1.tx.source_account.to_json_dict()
            charged = xdr.TransactionResult.from_xdr(transaction["result_xdr"]).fee_charged.int64
            self._fees[transaction["ledger"], payer] += charged
        for changes in (
            body.tx_changes_before,
            *(one.changes for one in body.operations),
            body.tx_changes_after,
        ):
            for change in changes.ledger_entry_changes:
                self._change(transaction["ledger"], change)

    def _fee(self, ledger: int, event: xdr.TransactionEvent) -> None:
        v0 = event.event.body.v0
        assert v0 is not None
        assert v0.data.i128 is not None
        stroops = (v0.data.i128.hi.int64 << 64) + v0.data.i128.lo.uint64
        account = v0.topics[1].to_json_dict()["address"]
        if event.stage is xdr.TransactionEventStage.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS:
            self._refunds.append((ledger, account, -stroops))
        elif event.stage is xdr.TransactionEventStage.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS:
            self._fees[ledger, account] += stroops

    def _pay_refunds(self) -> None:
        for _, account, stroops in self._refunds:
            known = self.accounts[account]
            if known is not None:
                self.accounts[account] = (known[0] + stroops, known[1])
                self.balances[self.native, account] = known[0] + stroops
        self._refunds = []

    def _change(self, ledger: int, change: xdr.LedgerEntryChange) -> None:
        if change.removed is not None:
            self._remove(change.removed)
            return
        entry = change.created or change.updated or change.restored or change.state
        assert entry is not None
        before = change.state is not None
        data = entry.data
        if data.account is not None:
            self._account(ledger, data.account, before)
        elif data.trust_line is not None:
            asset = self._asset_contract(data.trust_line.asset)
            if asset is not None:
                holder = (asset, data.trust_line.account_id.to_json_dict())
                self._balance(holder, data.trust_line.balance.int64, before)
        elif data.contract_data is not None and not before:
            value = hashlib.sha256(data.contract_data.val.to_xdr_bytes()).hexdigest()
            self.data[_key_hash(contract_data=_data_key(data.contract_data))] = value
        elif data.contract_code is not None and not before:
            self.code[data.contract_code.hash.hash.hex()] = data.contract_code.code
        elif data.ttl is not None and not before:
            live_until = data.ttl.live_until_ledger_seq.uint32
            self.lives[data.ttl.key_hash.hash.hex()] = live_until

    def _account(self, ledger: int, entry: xdr.AccountEntry, before: bool) -> None:
        account = entry.account_id.to_json_dict()
        holder = (self.native, account)
        if before and holder not in self.balances:
            self._first_seen[account] = ledger
        self._balance(holder, entry.balance.int64, before)
        if not before:
            self.accounts[account] = (entry.balance.int64, entry.seq_num.sequence_number.int64)

    def _balance(self, holder: Holder, amount: int, before: bool) -> None:
        if holder not in self.balances:
            self.bases[holder] = amount if before else 0
        self.balances[holder] = amount

    def _remove(self, key: xdr.LedgerKey) -> None:
        if key.account is not None:
            account = key.account.account_id.to_json_dict()
            self.accounts[account] = None
            self.balances[self.native, account] = None
        elif key.trust_line is not None:
            asset = self._asset_contract(key.trust_line.asset)
            if asset is not None:
                self.balances[asset, key.trust_line.account_id.to_json_dict()] = None
        elif key.contract_data is not None:
            self.data[_key_hash(contract_data=_data_key(key.contract_data))] = None
        elif key.ttl is not None:
            self.lives[key.ttl.key_hash.hash.hex()] = None

    def _asset_contract(self, asset: xdr.TrustLineAsset) -> str | None:
        if asset.liquidity_pool_id is not None:
            return None
        encoded = asset.to_xdr()
        if encoded not in self._assets:
            named = Asset.from_xdr_object(xdr.Asset.from_xdr(encoded))
            self._assets[encoded] = named.contract_id(self._passphrase)
        return self._assets[encoded]


def _operations(envelope: xdr.TransactionEnvelope) -> list[xdr.Operation]:
    if envelope.fee_bump is not None:
        inner = envelope.fee_bump.tx.inner_tx.v1
        assert inner is not None
        return inner.tx.operations
    signed = envelope.v1 or envelope.v0
    assert signed is not None
    return signed.tx.operations


def _data_key(
    of: xdr.ContractDataEntry | xdr.LedgerKeyContractData,
) -> xdr.LedgerKeyContractData:
    return xdr.LedgerKeyContractData(of.contract, of.key, of.durability)


def _key_hash(contract_data: xdr.LedgerKeyContractData) -> str:
    key = xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=contract_data)
    return hashlib.sha256(key.to_xdr_bytes()).hexdigest()
