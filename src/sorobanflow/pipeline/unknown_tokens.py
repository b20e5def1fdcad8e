"""Ask the node what tokens are called that no indexed ledger describes.

Each contract is asked for once, outside of the transactions that store ledgers. Invariant:
an asset is named only where the contract's id proves it, whatever the instance claims.
"""

from collections.abc import Sequence

from sqlalchemy import Engine

from sorobanflow.decode.encode import instance_key
from sorobanflow.decode.entries import read_contract_data
from sorobanflow.errors import DecodeError
from sorobanflow.rows.state_rows import TokenAnswerRow
from sorobanflow.rows.token_state import token_answer
from sorobanflow.sources.items import Malformed
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.wire import Items, LedgerEntries, LedgerEntry
from sorobanflow.store.tokens import read_unknown_tokens, store_token_answers

#: Tokens that a run asks for, and those of one call: an instance may have 64 KiB.
MAX_TOKENS, TOKENS_PER_CALL = 200, 20

_entries = Items(LedgerEntry)


def ask_for_unknown_tokens(client: RpcClient, engine: Engine, passphrase: str) -> None:
    """Ask for the next unknown tokens, and store what the node says.

    Raises:
        SorobanflowError: the node did not answer; what it answered before is stored.
    """
    unknown = read_unknown_tokens(engine, MAX_TOKENS)
    for first in range(0, len(unknown), TOKENS_PER_CALL):
        asked = unknown[first : first + TOKENS_PER_CALL]
        page = client.get_ledger_entries([instance_key(contract_id) for contract_id in asked])
        store_token_answers(engine, read_answers(asked, page, passphrase), page.latest_ledger)


def read_answers(
    asked: Sequence[str], page: LedgerEntries, passphrase: str
) -> list[TokenAnswerRow]:
    """Make a row of each token that was asked for; entries of others, or bad ones, are none."""
    nothing = None, None, None, None, page.latest_ledger
    answers = {contract_id: TokenAnswerRow(contract_id, *nothing) for contract_id in asked}
    for item in _entries.decode(page.entries):
        if isinstance(item, Malformed):
            continue
        try:
            entry = read_contract_data(item.xdr).entry
            answer = token_answer(entry, item.last_modified_ledger_seq, passphrase)
        except DecodeError:
            continue
        if answer.contract_id in answers:
            answers[answer.contract_id] = answer
    return list(answers.values())
