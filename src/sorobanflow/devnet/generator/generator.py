"""Generate ledgers, each from its seed and sequence alone.

Ledgers can be made in any order and repeatedly, because nothing is carried from
one to the next. Scenes take turns, so a few ledgers hold every kind of
transaction. Wrappings (failed, fee bump, …) take turns with other periods, so in
time every scene appears in every wrapping.
"""

from collections import OrderedDict
from hashlib import sha256
from random import Random
from threading import Lock

from stellar_sdk import (
    HashMemo,
    IdMemo,
    LedgerBounds,
    Memo,
    NoneMemo,
    Preconditions,
    ReturnHashMemo,
    TextMemo,
    TimeBounds,
    xdr,
)

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator import scenes_claims as claims
from sorobanflow.devnet.generator import scenes_classic as classic
from sorobanflow.devnet.generator import scenes_contracts as contracts
from sorobanflow.devnet.generator import scenes_exchange as exchange
from sorobanflow.devnet.generator import scenes_market as market
from sorobanflow.devnet.generator import scenes_tokens as tokens
from sorobanflow.devnet.generator.build import build
from sorobanflow.devnet.generator.cast import (
    ACCOUNTS,
    EXCHANGE,
    PASSPHRASE,
    PROTOCOL,
    TOKEN,
    account,
    digest,
)
from sorobanflow.devnet.generator.draft import Draft, Draw, Wrapping
from sorobanflow.devnet.generator.header_chain import HeaderChain
from sorobanflow.devnet.generator.wasms import exchange_wasm, token_wasm
from sorobanflow.devnet.supply import (
    Ledger,
    Network,
    StoredEntry,
    Transaction,
    made_close_time,
)
from sorobanflow.errors import ConfigurationError

SCENES = (
    tokens.asset_transfer,
    classic.payments,
    tokens.token_transfer,
    contracts.values,
    exchange.exchange,
    classic.issue_and_redeem,
    contracts.upload,
    tokens.approvals,
    classic.new_account,
    tokens.token_supply,
    contracts.create,
    market.trade,
    contracts.upgrade,
    tokens.asset_admin,
    classic.authorize,
    contracts.extend,
    claims.claimable_balance,
    contracts.create_asset_contract,
    contracts.close_entry,
    contracts.restore,
)
#: What happens once, in place of its number's scene.
ONCE = {exchange.UPLOADED: exchange.upload, exchange.UPGRADED: exchange.upgrade}
MEMOS: tuple[Memo, ...] = (
    NoneMemo(),
    TextMemo("invoice 7"),
    IdMemo(2**64 - 1),
    HashMemo(digest("memo")),
    ReturnHashMemo(digest("return")),
    TextMemo(b"nul\x00byte"),
    TextMemo(b"\xff\xfe"),
)
CACHED_TRANSACTIONS = 50_000  # about 300 MB

# Coprime to the number of scenes, so that every scene gets every wrapping.
_FAILED_EVERY, _BUMPED_EVERY, _MUXED_EVERY, _BOUNDED_EVERY, _EXPENSIVE_EVERY = 7, 9, 3, 11, 13


class Generator:
    """A supply of generated ledgers, without end.

    Args:
        seed: Another seed gives other ledgers.
        first: The first ledger.
        transactions_per_ledger: Transactions in every ledger.
        events_per_transaction: If given, every transaction is a successful contract
            call with exactly this many events, including its fee.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        first: int = 1,
        transactions_per_ledger: int = 10,
        events_per_transaction: int | None = None,
    ) -> None:
        too_few_events = events_per_transaction is not None and events_per_transaction < 1
        if first < 1 or transactions_per_ledger < 0 or too_few_events:
            raise ConfigurationError(
                f"first {first}, transactions_per_ledger {transactions_per_ledger}, "
                f"events_per_transaction {events_per_transaction}: "
                "they must be at least 1, 0 and 1 (the fee)"
            )
        self.first = first
        self.last: int | None = None
        self.network = Network(PASSPHRASE, PROTOCOL)
        self._entries = _entries(transactions_per_ledger if events_per_transaction is None else 0)
        self._seed = seed
        self._size = transactions_per_ledger
        self._events = events_per_transaction
        self._cache: OrderedDict[int, Ledger] = OrderedDict()
        self._lock = Lock()
        self._headers = HeaderChain(PASSPHRASE, first, self.ledger)

    def close_time(self, sequence: int) -> int:
        """Return when a ledger closes, in Unix seconds."""
        return made_close_time(sequence)

    def ledger(self, sequence: int) -> Ledger:
        """Return one ledger; it is made at the first request."""
        with self._lock:
            ledger = self._cache.get(sequence)
            if ledger is None:
                ledger = self._cache[sequence] = self._make(sequence)
            self._cache.move_to_end(sequence)
            while len(self._cache) * self._size > CACHED_TRANSACTIONS:
                self._cache.popitem(last=False)
        return ledger

    def entry(self, key: bytes, ledger: int) -> StoredEntry | None:
        """Return an entry of the token or the exchange, by its LedgerKey."""
        stored = [one for one in self._entries.get(key, ()) if one.ledger <= ledger]
        return stored[-1] if stored else None

    def close_meta(self, sequence: int) -> bytes:
        """Return a LedgerCloseMeta, XDR; the first request makes all ledgers up to this one."""
        return self._headers.close_meta(sequence)

    def _make(self, sequence: int) -> Ledger:
        random = Random(f"{self._seed} {sequence}")  # noqa: S311 - must be the same every time
        transactions = tuple(
            self._transaction(sequence, order, random) for order in range(1, self._size + 1)
        )
        return Ledger(sequence, made_close_time(sequence), PROTOCOL, transactions)

    def _transaction(self, sequence: int, order: int, random: Random) -> Transaction:
        number = sequence * self._size + order - 1
        draw = Draw(sequence, order, number, random, MEMOS[number % len(MEMOS)])
        if self._events is not None:
            draft = tokens.uniform(draw, self._events - 1)
            return build(draw, draft, Wrapping(fee=50_000))
        draft = ONCE.get(number, SCENES[number % len(SCENES)])(draw)
        return build(draw, draft, _wrap(draw, draft))


def _entries(size: int) -> dict[bytes, list[StoredEntry]]:
    """Make instances and Wasms of the token and the exchange, in the order of their ledgers.

    Of the entries in metas these are the only ones that the devnet knows by key. `size` is the
    number of transactions per ledger; 0: nothing is ever uploaded or upgraded.
    """
    storage = entries.token_storage(account(0).public_key, "Devnet Token", "DVT")
    token = entries.instance(entries.executable(token_wasm()), storage)
    made = [(1, *_instance(TOKEN, token)), (1, *_code(token_wasm())), (1, *_code(exchange_wasm(1)))]
    made.append((1, *_instance(EXCHANGE, exchange.instance(1))))
    if size:
        made.append((exchange.UPLOADED // size, *_code(exchange_wasm(2))))
        made.append((exchange.UPGRADED // size, *_instance(EXCHANGE, exchange.instance(2))))
    stored: dict[bytes, list[StoredEntry]] = {}
    for ledger, key, data in made:
        one = StoredEntry(data.to_xdr_bytes(), max(ledger, 1))
        stored.setdefault(key.to_xdr_bytes(), []).append(one)
    return stored


def _instance(contract: str, value: xdr.SCVal) -> tuple[xdr.LedgerKey, xdr.LedgerEntryData]:
    key = entries.INSTANCE_KEY
    return entries.data_key(contract, key), entries.contract_data(contract, key, value)


def _code(wasm: bytes) -> tuple[xdr.LedgerKey, xdr.LedgerEntryData]:
    return entries.code_key(sha256(wasm).digest()), entries.code_data(wasm)


def _wrap(draw: Draw, draft: Draft) -> Wrapping:
    number, soroban = draw.number, draft.soroban is not None
    bumped, expensive = number % _BUMPED_EVERY == 0, number % _EXPENSIVE_EVERY == 0
    fee = 100 * len(draft.steps) + (draw.random.randrange(20_000, 900_000) if soroban else 0)
    if expensive:
        fee = 5_000_000_000 if bumped else 3_000_000_000  # above 2^32 and 2^31
    return Wrapping(
        fee=fee,
        refund=fee // 10 if soroban else 0,
        refund_after_tx=number % 2 == 0,
        failed=number % _FAILED_EVERY == 0,
        fee_payer=account(draw.random.randrange(ACCOUNTS)) if bumped else None,
        muxed_id=draw.random.choice((0, 1, 2**64 - 1)) if number % _MUXED_EVERY == 0 else None,
        memo=draw.memo,
        preconditions=_preconditions(draw) if number % _BOUNDED_EVERY == 0 else None,
    )


def _preconditions(draw: Draw) -> Preconditions:
    closes_at = made_close_time(draw.ledger)
    return Preconditions(
        time_bounds=TimeBounds(0, closes_at + 300),
        ledger_bounds=LedgerBounds(max(draw.ledger - 10, 0), draw.ledger + 10),
        min_sequence_number=draw.sequence - 1,
        min_sequence_age=30,
        min_sequence_ledger_gap=1,
    )
