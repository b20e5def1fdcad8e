"""Ask the node what no indexed ledger tells: names of tokens, what contracts run, and Wasms.

Each is asked for outside of the transactions that store ledgers, and a bounded number in a run.
Invariant: an asset is named, and a Wasm read, only where its id or hash proves it, whatever the
node claims.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from sqlalchemy import Engine

from sorobanflow.contracts.stored import store_spec
from sorobanflow.decode.encode import code_key, instance_key
from sorobanflow.decode.entries import Entry, read_contract_entry
from sorobanflow.errors import DecodeError
from sorobanflow.rows.executables import ContractAnswerRow, executable
from sorobanflow.rows.state_rows import TokenAnswerRow
from sorobanflow.rows.token_state import token_answer
from sorobanflow.sources.items import Malformed
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.wire import Items, LedgerEntries, LedgerEntry
from sorobanflow.store.answers import (
    read_unknown_contracts,
    read_unknown_tokens,
    read_unknown_wasms,
    store_answers,
    store_lacking,
)

#: Contracts that a run asks for, and those of one call: an instance may have 64 KiB.
MAX_CONTRACTS, CONTRACTS_PER_CALL = 200, 20
#: Wasms that a run asks for, one by one: each may have 128 KiB.
MAX_WASMS = 50

_entries = Items(LedgerEntry)


def ask_for_unknown_contracts(
    client: RpcClient, engine: Engine, passphrase: str, named: Iterable[str] = ()
) -> None:
    """Ask for the instances of the next unknown contracts, and store what the node says.

    Each contract is asked for once after each hole of what is stored, those in `named` each time.

    Raises:
        SorobanflowError: the node did not answer; what it answered before is stored.
    """
    tokens = set(read_unknown_tokens(engine, MAX_CONTRACTS))
    unknown = {*named, *tokens, *read_unknown_contracts(engine, MAX_CONTRACTS)}
    ordered = sorted(unknown)[:MAX_CONTRACTS]
    for first in range(0, len(ordered), CONTRACTS_PER_CALL):
        asked = ordered[first : first + CONTRACTS_PER_CALL]
        page = client.get_ledger_entries([instance_key(contract_id) for contract_id in asked])
        names, runs = read_answers(asked, page, passphrase)
        names = [one for one in names if one.contract_id in tokens]
        store_answers(engine, names, runs, page.latest_ledger)


def read_answers(
    asked: Sequence[str], page: LedgerEntries, passphrase: str
) -> tuple[list[TokenAnswerRow], list[ContractAnswerRow]]:
    """Make two rows of each contract that was asked for; entries of others, or bad ones, are none.

    The first says what it is called, the second what it runs.
    """
    latest = page.latest_ledger
    names = {one: TokenAnswerRow(one, None, None, None, None, latest) for one in asked}
    runs = {one: ContractAnswerRow(one, latest, None, latest) for one in asked}
    for item, entry in _read(page, "contract_data"):
        changed_in = item.last_modified_ledger_seq
        try:
            name = token_answer(entry.entry, changed_in, passphrase)
            row = ContractAnswerRow(
                name.contract_id, changed_in, executable(entry.entry["val"]), latest
            )
        except DecodeError:
            continue
        if name.contract_id in names and changed_in <= latest:
            names[name.contract_id], runs[name.contract_id] = name, row
    return [*names.values()], [*runs.values()]


def ask_for_unknown_wasms(client: RpcClient, engine: Engine) -> None:
    """Ask for Wasms that contracts run and that no indexed ledger holds; store their specs.

    Raises:
        SorobanflowError: the node did not answer; what it answered before is stored.
    """
    for wasm_hash in read_unknown_wasms(engine, MAX_WASMS):
        page = client.get_ledger_entries([code_key(wasm_hash)])
        codes = [entry.wasm or b"" for _, entry in _read(page, "contract_code")]
        proved = [one for one in codes if sha256(one).hexdigest() == wasm_hash]
        if proved:
            store_spec(engine, wasm_hash, proved[0])
        else:
            store_lacking(engine, wasm_hash, page.latest_ledger)


def _read(page: LedgerEntries, kind: str) -> Iterator[tuple[LedgerEntry, Entry]]:
    """Read the entries of a kind; others, and what cannot be read, are left out."""
    for item in _entries.decode(page.entries):
        if isinstance(item, Malformed):
            continue
        try:
            entry = read_contract_entry(item.xdr)
        except DecodeError:
            continue
        if entry.type == kind:
            yield item, entry
