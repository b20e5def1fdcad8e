"""Calls and events of real transactions by name, and counts of what has none, for a report.

Which Wasm a contract runs is known from its instance, where a transaction before created or
changed it, else from a footprint with one Wasm and one contract that is no asset contract.
"""

import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from stellar_sdk import Asset

from sorobanflow.contracts.asset_spec import ASSET_SPEC
from sorobanflow.contracts.learning import Summary, inferred_events
from sorobanflow.contracts.matching import Unnamed, name_call, name_event
from sorobanflow.contracts.reading import Interface, read_interface
from sorobanflow.contracts.spec import Spec
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.envelope_types import TRANSACTION_ENVELOPE
from sorobanflow.decode.ledger_events import ledger_events
from sorobanflow.decode.metas import read_events_alone
from sorobanflow.decode.scval import read_scval
from sorobanflow.decode.transactions import DecodedTransaction, decode_transaction, network_id
from sorobanflow.rows.calls import call_rows
from sorobanflow.rows.transactions import transaction_row
from sorobanflow.rows.values import arm, content
from sorobanflow.sources.items import Event, Transaction
from tests.integration.test_rows_corpus import wrap
from tests.whole_ledgers import CORE_PASSPHRASE, core_chains, one_object

_INSTANCE = "ledger_key_contract_instance"


class Activity(NamedTuple):
    """A transaction with its events."""

    transaction: Transaction
    events: list[Event]


class Call(NamedTuple):
    """A call: contract, function, arguments, and result if it returned."""

    contract: str
    function: str
    arguments: list[Any]
    result: Any


class Names:
    """Names what transactions did, in their order, and counts."""

    def __init__(self, passphrase: str, codes: dict[str, Interface]) -> None:
        self._passphrase = passphrase
        self._codes = codes
        self._runs: dict[str, str] = {}  # the Wasm hash by contract; "asset" of asset contracts
        self.calls: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.contracts: dict[str, str] = {}  # what is known of each
        self.undeclared: dict[str, list[tuple[list[Any], Any, int]]] = {}

    def forget(self) -> None:
        """Begin another chain, whose contracts may have the same ids."""
        self._runs.clear()

    def add(self, activity: Activity) -> None:
        decoded = decode_transaction(activity.transaction, with_diagnostics=True)
        events = [(one.contract_id, _values(one)) for one in activity.events]
        for contract, (topics, _) in events:
            self._find_asset(contract, topics)
        before = dict(self._runs)
        self._follow(decoded)
        runs = self._runs | self._of_footprint(activity.transaction) | before
        for call in _calls(activity.transaction, decoded):
            self._count_call(call, self._spec(call.contract, runs))
        for contract, event in events:
            self._count_event(contract, event, self._spec(contract, runs), activity)

    def _find_asset(self, contract: str | None, topics: list[Any]) -> None:
        """An asset in the last topic proves its contract."""
        asset = content(topics[-1], "string") if topics else None
        if contract is None or asset is None:
            return
        code, _, issuer = asset.partition(":")
        try:
            parsed = Asset(code, issuer) if issuer else Asset.native()
            if parsed.contract_id(self._passphrase) == contract:
                self._runs[contract] = "asset"
        except ValueError:
            return

    def _follow(self, decoded: DecodedTransaction) -> None:
        """Read code and instances that a transaction leaves."""
        for change in decoded.meta.changes:
            _, key, entry, _, wasm = change.read()
            if wasm is not None:
                self._codes.setdefault(sha256(wasm).hexdigest(), read_interface(wasm))
            if change.type == "contract_data" and key["key"] == _INSTANCE and entry:
                kind, value = arm(entry["val"]["contract_instance"]["executable"])
                self._runs[key["contract"]] = value if kind == "wasm" else "asset"

    def _of_footprint(self, item: Transaction) -> dict[str, str]:
        _, soroban = arm(_transaction_of(item)["ext"])
        if soroban is None:
            return {}
        footprint = soroban["resources"]["footprint"]
        keys = [arm(one) for side in footprint.values() for one in side]
        codes = {key["hash"] for kind, key in keys if kind == "contract_code"}
        contracts = {
            key["contract"]
            for kind, key in keys
            if kind == "contract_data" and key["key"] == _INSTANCE
        }
        others = [one for one in contracts if self._runs.get(one) != "asset"]
        return {others[0]: codes.pop()} if len(codes) == len(others) == 1 else {}

    def _spec(self, contract: str, runs: dict[str, str]) -> Spec | None:
        wasm = runs.get(contract)
        interface = None if wasm is None else self._codes.get(wasm)
        if wasm == "asset":
            known, spec = "asset contract", ASSET_SPEC
        elif interface is None:
            known, spec = "Wasm not in the data", None
        else:
            has_spec = bool(interface.spec.entries)
            known = "with a spec" if has_spec else "Wasm without a spec"
            spec = interface.spec if has_spec else None
        self.contracts[contract] = known
        return spec

    def _count_call(self, call: Call, spec: Spec | None) -> None:
        if spec is None:
            self.calls[self.contracts[call.contract]] += 1
            return
        named = name_call(call.function, call.arguments, call.result, spec)
        source = self.contracts[call.contract]
        kind = named.kind if isinstance(named, Unnamed) else "named"
        self.calls[f"{source}: {kind}"] += 1
        if isinstance(named, Unnamed):
            self.reasons[f"call of {source}: {named.reason}"] += 1

    def _count_event(self, contract: str, event: Any, spec: Spec | None, of: Activity) -> None:
        source = self.contracts[contract]
        named = name_event(*event, spec) if spec else Unnamed("undeclared", source)
        kind = named.kind if isinstance(named, Unnamed) else "named"
        self.events[f"{source}: {kind}"] += 1
        if isinstance(named, Unnamed) and kind != "undeclared":
            self.reasons[f"event of {source}: {named.reason}"] += 1
        if kind == "undeclared":
            rows = self.undeclared.setdefault(contract, [])
            rows.append((*event, of.transaction.ledger))

    def inferred(self) -> Counter[str]:
        """Learn from undeclared events, and name them by what was learnt."""
        counts: Counter[str] = Counter()
        for rows in self.undeclared.values():
            summary = Summary()
            for row in rows:
                summary.add(*row)
            spec = Spec(tuple(one.event for one in inferred_events(summary)))
            for topics, value, _ in rows:
                named = name_event(topics, value, spec)
                counts[named.kind if isinstance(named, Unnamed) else "named"] += 1
            counts["shapes"] += len(spec.events)
        return counts


def _transaction_of(item: Transaction) -> Any:
    """The transaction, of a fee bump the inner one, in SEP-51 form."""
    envelope, _ = TRANSACTION_ENVELOPE.read(item.envelope_xdr, 0)
    [content] = envelope.values()
    [inner] = content["tx"].get("inner_tx", {"tx": content}).values()
    return inner["tx"]


def _calls(transaction: Transaction, decoded: DecodedTransaction) -> Iterator[Call]:
    """Calls of operations, with constructors, and those within them that diagnostics tell."""
    successful = transaction.status == "SUCCESS"
    for operation in _transaction_of(transaction)["operations"]:
        kind, body = arm(operation["body"])
        if kind != "invoke_host_function":
            continue
        function, call = arm(body["host_function"])
        if function == "invoke_contract":
            result = decoded.meta.return_value if successful else None
            yield Call(call["contract_address"], call["function_name"], call["args"], result)
        if function == "create_contract_v2" and successful:
            address = content(decoded.meta.return_value, "address")
            arguments = call["constructor_args"]
            if arguments:
                yield Call(address, "__constructor", arguments, None)
    row = transaction_row(transaction, decoded)
    for inner in call_rows(row, decoded.meta.diagnostics):
        if inner.depth and inner.contract_id and inner.arguments is not None:
            result = json.loads(inner.result) if inner.returned and inner.result else None
            arguments = json.loads(inner.arguments)
            yield Call(inner.contract_id, inner.function, arguments, result)


def interfaces(test_data: Path) -> dict[str, Interface]:
    """The interfaces of the Wasms of the test data, by hash."""
    codes = [path.read_bytes() for path in (test_data / "wasms").glob("*.wasm")]
    return {sha256(code).hexdigest(): read_interface(code) for code in codes}


def of_recording(path: Path) -> Iterator[Activity]:
    """The transactions of a recording."""
    with gzip.open(path, "rt") as lines:
        next(lines)
        for line in lines:
            row = json.loads(line)
            for one in row["transactions"]:
                item = Transaction(
                    one["hash"],
                    one["status"],
                    row["ledger"],
                    one["application_order"],
                    one["fee_bump"],
                    row["close_time"],
                    b64decode(one["envelope_xdr"]),
                    b64decode(one["result_xdr"]),
                    b64decode(one["result_meta_xdr"]),
                )
                yield with_events(item)


def with_events(item: Transaction) -> Activity:
    """A transaction with the events of its meta."""
    (_, meta), _ = read_events_alone(item.result_meta_xdr, 0)
    events = [one for one in ledger_events([(item, meta)]) if one.type == "contract"]
    return Activity(item, events)


def of_core_tests(test_data: Path) -> Iterator[list[Activity]]:
    """The transactions of stellar-core's own tests, a list for each chain."""
    for chain in core_chains(test_data):
        ledgers = [
            one
            for each in chain
            for one in read_object(one_object(each), network_id(CORE_PASSPHRASE))
        ]
        yield [with_events(item) for ledger in ledgers for item in ledger.transactions]


def of_corpus(rows: list[dict[str, Any]]) -> Iterator[Activity]:
    """Transactions that stand alone."""
    for row in rows:
        yield with_events(wrap(row))


def _values(event: Event) -> tuple[list[Any], Any]:
    """The topics and the value, in SEP-51 form."""
    return [read_scval(topic) for topic in event.topic or ()], read_scval(event.value)
