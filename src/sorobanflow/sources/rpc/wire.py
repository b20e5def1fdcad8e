"""The answers of the RPC methods that we read, typed.

One struct per answer, decoded and validated in one pass. Tolerant of what the
versions differ in: times and ledgers as number or string, absent, `null` and
zero-valued fields, fields that we do not know. Items of a page are decoded one
by one, so that a malformed one costs itself and not its page. Field names are
the wire's in snake case. Leaves the meaning of the values to `decode`.
"""

from collections.abc import Iterable
from typing import Annotated, Generic, Self, TypeVar

import msgspec
from msgspec import Meta, Struct

LedgerNumber = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]

ItemT = TypeVar("ItemT")


class Health(Struct, rename="camel"):
    """Answer of getHealth: the ledgers that the node has, both included.

    `latest_ledger_close_time` is in Unix seconds; nodes before v27.1 do not give it.
    """

    latest_ledger: LedgerNumber
    oldest_ledger: LedgerNumber
    status: str = "healthy"
    latest_ledger_close_time: str | int | None = None


class Network(Struct, rename="camel"):
    """Answer of getNetwork."""

    passphrase: str
    protocol_version: int | None = None


class Event(Struct, rename="camel", omit_defaults=True):
    """One event of getEvents; XDR as base64.

    `in_successful_contract_call` is deprecated and may be absent. A missing
    `contract_id` arrives as an empty string. The order in the ledger is in the
    id; `transactionIndex` and `operationIndex` repeat it and are not read.
    """

    id: Annotated[str, Meta(max_length=64)]
    type: str
    ledger: LedgerNumber
    ledger_closed_at: str
    tx_hash: Hash
    value: str
    contract_id: str | None = None
    topic: list[str] | None = None
    in_successful_contract_call: bool | None = None

    @property
    def size_bytes(self) -> int:
        """What its value weighs, most of the event; topics are short."""
        return len(self.value)


class Transaction(Struct, rename="camel"):
    """One transaction of getTransactions, or a found one of getTransaction.

    `created_at` is the close time of its ledger in Unix seconds: a number in
    one method, a string in the other. `tx_hash` is the outer hash of a fee bump.
    """

    tx_hash: Hash
    status: str
    ledger: LedgerNumber
    application_order: Annotated[int, Meta(ge=1, le=2**20 - 1)]
    fee_bump: bool
    created_at: int
    envelope_xdr: str
    result_xdr: str
    result_meta_xdr: str

    @property
    def size_bytes(self) -> int:
        """What its envelope and meta weigh, nearly all of the transaction."""
        return len(self.envelope_xdr) + len(self.result_meta_xdr)


class TransactionStatus(Struct, rename="camel"):
    """What every answer of getTransaction has, found or not.

    `latest_ledger` and `oldest_ledger` decide what NOT_FOUND means.
    """

    status: str
    latest_ledger: LedgerNumber = 0
    oldest_ledger: LedgerNumber = 0


class NotFound(Struct):
    """A normal answer of getTransaction: the node does not have the transaction.

    What it means is decided by the transaction's ledger against these two.
    """

    latest_ledger: int
    oldest_ledger: int


class _Stated(Struct, rename="camel"):
    """What of a malformed transaction may still say which one it is."""

    tx_hash: str | None = None


_stated = msgspec.json.Decoder(_Stated)


class Malformed(Struct):
    """An item of a page that is not what the method promises, as received."""

    payload: str
    error: str

    @property
    def size_bytes(self) -> int:
        """What it weighs."""
        return len(self.payload)

    @property
    def stated_hash(self) -> str | None:
        """The transaction that it says it is or is of, as it says it; None where it does not."""
        try:
            return _stated.decode(self.payload).tx_hash
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None

    @classmethod
    def of(cls, item: Struct, error: str) -> Self:
        """Make a malformed item of one that decodes and yet cannot be right."""
        return cls(msgspec.json.encode(item).decode(), error)


class EventsPage(Struct, rename="camel"):
    """Answer of getEvents; `events` undecoded, in chain order."""

    latest_ledger: LedgerNumber
    events: list[msgspec.Raw] | None  # an empty list may be null; left out, it is no answer
    oldest_ledger: LedgerNumber = 0
    cursor: str = ""


class TransactionsPage(Struct, rename="camel"):
    """Answer of getTransactions; `transactions` undecoded, in chain order."""

    latest_ledger: LedgerNumber
    transactions: list[msgspec.Raw] | None
    oldest_ledger: LedgerNumber = 0
    cursor: str = ""


class RpcFault(Struct):
    """The `error` member of a JSON-RPC answer."""

    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Reply(Struct):
    """A JSON-RPC answer: one of `result` and `error`; an absent `result` is empty."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: RpcFault | None = None


class Items(Generic[ItemT]):
    """Decodes the raw items of a page into structs, or `Malformed`, in order."""

    def __init__(self, item_type: type[ItemT]) -> None:
        self._decoder = msgspec.json.Decoder(item_type, strict=False)

    def decode(self, raws: Iterable[msgspec.Raw] | None) -> list[ItemT | Malformed]:
        """Decode each item by itself."""
        return [self._one(raw) for raw in raws or ()]

    def _one(self, raw: msgspec.Raw) -> ItemT | Malformed:
        try:
            return self._decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Malformed(bytes(raw).decode("utf-8", "replace"), str(error))
        except RecursionError:
            return Malformed(bytes(raw).decode("utf-8", "replace"), "nested too deeply")
