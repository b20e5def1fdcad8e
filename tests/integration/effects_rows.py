"""What our rows state of a transaction, as facts: the right side of the comparison."""

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from stellar_sdk import MuxedAccount, StrKey, xdr

from sorobanflow.decode.changes import OP_AFTER, OP_BEFORE, Change
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.entry_rows import state_rows
from sorobanflow.rows.row_maker import make_rows
from sorobanflow.rows.state import State
from sorobanflow.rows.state_rows import AccountRow, ContractDataRow, TokenBalanceRow
from sorobanflow.rows.token_shapes import TYPES
from sorobanflow.sources.items import Event, Transaction
from sorobanflow.toid import Position
from tests.integration.effects_stated import INSTANCE, REMOVED, Fact, Facts, Statement
from tests.integration.meta_oracle import KEPT, change_lists, change_of, entry_of, key_of

_UNSET = {
    "account sponsor": None,
    "domain": "",
    "thresholds": (0, 0, 0),
    "inflationDestination": None,
    "flags": 0,
    "master": 1,
    "signer": 0,
    "signer sponsor": None,
}
#: The other program states no effects of what claimable balances and pools hold.
_EFFECTS_OF = ("account", "trustline", "contract_data")
_TOTALS = {"mint": "minted", "burn": "burned", "clawback": "burned"}


class Case:
    """A transaction: its batch, its changes, and the state that its operations found."""

    def __init__(self, transaction: Transaction, passphrase: str) -> None:
        meta = xdr.TransactionMeta.from_xdr_bytes(transaction.result_meta_xdr)
        events = wire_events(transaction, meta)
        self.passphrase = passphrase
        self.has_events = bool(events)
        self.batch = make_rows(LedgerRange(1, 1), events, [transaction], passphrase)
        self._decoded = decode_transaction(transaction)
        self.changes = self._decoded.meta.changes
        self.before = self.state(first_states(meta))

    def state(self, changes: list[Change]) -> State:
        """Give the state that these changes leave."""
        state = State(self.passphrase)
        [row] = self.batch.transactions
        meta = self._decoded.meta._replace(changes=changes)
        decoded = self._decoded._replace(meta=meta)
        state.add(state_rows(row, decoded, self.passphrase))
        state.finish()
        return state


class Told:
    """The facts that the rows of one transaction state, behind its last operation or earlier.

    Attributes:
        facts: All of them.
        silent: Those that the other side need not state: the meta shows that nothing
            changed, or does not show what was before.
    """

    def __init__(self, case: Case, operations: int) -> None:
        self.facts: Facts = {}
        self.silent: set[Fact] = set()
        self._batch = case.batch
        self._before = case.before
        is_whole = operations == case.batch.transactions[0].operation_count
        last = OP_AFTER if is_whole else operations
        self._changes = [change for change in case.changes if change.op_order <= last]
        self._rows = case.batch if is_whole else case.state(self._changes)
        self._tell_balances()
        self._tell_accounts()
        self._tell_data()
        self._tell_code()
        self._tell_restored()
        self._tell_events()
        self._tell_fees()

    def _table(self, name: str) -> list[Any]:
        rows = getattr(self._rows, name)
        return list(rows.values()) if isinstance(rows, dict) else rows

    def _tell(self, fact: Fact, value: Any, silent: bool = False) -> None:
        self.facts[fact] = value
        if silent:
            self.silent.add(fact)

    def _tell_balances(self) -> None:
        for row in self._table("token_balances"):
            if row.source not in _EFFECTS_OF:
                continue
            before = self._before.token_balances.get((row.contract_id, row.address))
            moved = row.amount - (before.amount if before else 0)
            is_fee = row.op_order in (OP_BEFORE, OP_AFTER)
            about = row.address, row.contract_id
            self._tell(("moved", *about), moved, silent=is_fee or moved == 0)
            self._tell(("balance", *about), row.amount, silent=True)  # few effects have it
            if row.source == "trustline":
                same = before is not None and _trust(row) == _trust(before)
                self._tell(("trust line", *about), _trust(row), silent=same)

    def _tell_accounts(self) -> None:
        created = {
            change.read().key["account_id"]
            for change in self._changes
            if (change.type, change.kind) == ("account", "created")
        }
        for row in self._table("account_entries"):
            before = self._before.account_entries.get(row.account_id)
            if row.account_id in created or row.deleted:
                self._tell(("account", row.account_id), REMOVED if row.deleted else "created")
            old = dict(_settings(before)) if before else {}
            new = dict(_settings(row))
            gone = dict.fromkeys(old.keys() - new.keys())
            unseen = before is None and row.account_id not in created
            for fact in new.keys() | gone:
                value = new.get(fact, _UNSET[fact[0]])
                same = value == old.get(fact, _UNSET[fact[0]])
                silent = unseen or same or (row.deleted and fact[0] != "account sponsor")
                self._tell(_with_master(fact), value, silent)

    def _tell_data(self) -> None:
        for row in self._table("contract_data_entries"):
            if row.live_until_ledger is not None:
                self._tell(("live until", row.key_hash), row.live_until_ledger)
            if row.created_tx_hash is not None:
                self._tell(("created", row.key_hash), True)
            if row.ledger is None:
                continue
            before = self._before.contract_data_entries.get(row.key_hash)
            key = _encode(json.loads(row.key))
            value = _value(row)
            same = before is not None and value == _value(before)
            self._tell(("data", row.contract_id, key, row.durability), value, silent=same)
            if key == INSTANCE:
                self._tell_instance(row, before)

    def _tell_instance(self, row: ContractDataRow, before: ContractDataRow | None) -> None:
        old, new = _storage(before), _storage(row)
        for key in old.keys() | new.keys():
            same = new.get(key) == old.get(key)
            self._tell(("in instance", row.contract_id, key), new.get(key, REMOVED), silent=same)
        if not row.deleted:
            known = before is not None
            self._tell(("contract", row.contract_id), self._executable(row), silent=known)

    def _executable(self, row: ContractDataRow) -> Any:
        executable = json.loads(row.value or "")["contract_instance"]["executable"]
        if executable != "stellar_asset":
            return executable["wasm"]
        assets = {token.contract_id: token.asset for token in self._table("token_metadata")}
        return assets[row.contract_id]

    def _tell_code(self) -> None:
        for row in self._table("contract_code"):
            key_hash = code_key_hash(row.wasm_hash)
            if row.live_until_ledger is not None:
                self._tell(("live until", key_hash), row.live_until_ledger)
            if row.first_tx_hash is not None:
                self._tell(("created", key_hash), True)
            if row.code is not None:
                digest = sha256(row.code).hexdigest()
                known = row.first_tx_hash is None
                self._tell(("code", row.wasm_hash), (digest, row.size), silent=known)

    def _tell_restored(self) -> None:
        for change in self._changes:
            if change.kind == "restored" and change.key_hash and change.type != "ttl":
                self._tell(("restored", change.key_hash.hex()), True)

    def _tell_events(self) -> None:
        for number, row in enumerate(self._batch.events, 1):
            values = [*json.loads(row.topics), json.loads(row.value)]
            self._tell(("event", str(number)), (row.contract_id, *map(_encode, values)))
        totals: Counter[Fact] = Counter()
        for token in self._batch.token_operations:
            if TYPES[token.type] in _TOTALS:
                totals[_TOTALS[TYPES[token.type]], token.contract_id] += token.amount or 0
        for fact, amount in totals.items():
            self._tell(fact, amount)

    def _tell_fees(self) -> None:
        """Few cases state fees, so all of these are silent."""
        [row] = self._batch.transactions
        payer = row.payer
        if row.fee_account_muxed_id is not None:
            payer = MuxedAccount(payer, row.fee_account_muxed_id).account_muxed or ""
        accounts = {account.account_id: account for account in self._table("account_entries")}
        accounts |= self._before.account_entries
        paid = accounts.get(row.payer)
        for fact, stroops in (
            (("fee bid", payer), row.fee_bid),
            (("fee charged", payer), row.fee_charged),
            (("balance behind the fee", payer), paid and paid.balance),
            (("resource fee", "nonrefundable"), row.non_refundable_fee_charged),
            (("resource fee", "refundable"), row.refundable_fee_charged),
            (("resource fee", "rent"), row.rent_fee_charged),
        ):
            self._tell(fact, stroops, silent=True)


def first_states(meta: xdr.TransactionMeta) -> list[Change]:
    """Give, as changes, the first `state` item of each entry that the operations changed."""
    seen: set[bytes] = set()
    found: list[Change] = []
    lists = [items for order, items in change_lists(meta) if order not in (OP_BEFORE, OP_AFTER)]
    for item in (item for items in lists for item in items):
        key = item.removed or key_of(item)
        if key is None or key.type not in KEPT or key.to_xdr_bytes() in seen:
            continue
        seen.add(key.to_xdr_bytes())
        if item.state is not None and item.state.data.ttl is None:
            found.append(change_of(1, 0, "updated", key, entry_of(item), None))
    return found


def wire_events(transaction: Transaction, meta: xdr.TransactionMeta) -> list[Event]:
    """Give the contracts' events of a meta as getEvents would."""
    lists: list[list[xdr.ContractEvent]] = []
    if meta.v4 is not None:
        lists = [operation.events for operation in meta.v4.operations]
    elif meta.v3 is not None and meta.v3.soroban_meta is not None:
        lists = [meta.v3.soroban_meta.events]
    return [
        Event(
            id=Position(1, 1, op, number).event_id,
            type="contract",
            ledger=1,
            ledger_closed_at="1970-01-01T00:00:00Z",
            tx_hash=transaction.tx_hash,
            contract_id=StrKey.encode_contract(event.contract_id.contract_id.hash),
            topic=[topic.to_xdr_bytes() for topic in event.body.v0.topics],
            value=event.body.v0.data.to_xdr_bytes(),
        )
        for op, events in enumerate(lists)
        for number, event in enumerate(events)
    ]


def code_key_hash(wasm_hash: str) -> str:
    key = xdr.LedgerKey.from_json_dict({"contract_code": {"hash": wasm_hash}})
    return sha256(key.to_xdr_bytes()).hexdigest()


def _settings(row: AccountRow) -> Iterator[Statement]:
    account = row.account_id
    yield ("account sponsor", account), row.sponsor
    if row.deleted:
        return
    thresholds = row.low_threshold, row.medium_threshold, row.high_threshold
    yield ("domain", account), row.home_domain
    yield ("thresholds", account), thresholds
    yield ("inflationDestination", account), row.inflation_destination
    yield ("flags", account), row.flags
    yield ("master", account), row.master_weight
    for signer in json.loads(row.signers or ""):
        yield ("signer", account, signer["key"]), signer["weight"]
        yield ("signer sponsor", account, signer["key"]), signer["sponsor"]


def _with_master(fact: Fact) -> Fact:
    """The other side counts the master key among the signers."""
    return ("signer", fact[1], fact[1]) if fact[0] == "master" else fact


def _trust(row: TokenBalanceRow) -> Any:
    return REMOVED if row.deleted else (row.authorized, row.clawback)


def _value(row: ContractDataRow) -> str:
    return REMOVED if row.value is None else _encode(json.loads(row.value))


def _storage(row: ContractDataRow | None) -> dict[str, str]:
    """Give what an instance holds, keys and values as base64 XDR."""
    if row is None or row.value is None:
        return {}
    entries = json.loads(row.value)["contract_instance"]["storage"] or ()
    return {_encode(entry["key"]): _encode(entry["val"]) for entry in entries}


def _encode(value: Any) -> str:
    return xdr.SCVal.from_json_dict(value).to_xdr()
