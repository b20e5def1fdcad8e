"""The answers of the RPC methods that we read, typed.

Tolerates what the versions of the node differ in: times and ledgers as number or string;
absent, `null` and zero-valued fields; unknown fields. Invariant: a malformed item does not
cost its page.
"""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from sorobanflow.sources.items import LedgerNumber, Malformed
from sorobanflow.sources.source import Available

ItemT = TypeVar("ItemT")


class Health(Struct, rename="camel"):
    """Answer of getHealth: the ledgers that the node has, both included.

    `latest_ledger_close_time` is in Unix seconds; nodes before v27.1 do not give it.
    """

    latest_ledger: LedgerNumber
    oldest_ledger: LedgerNumber
    status: str = "healthy"
    latest_ledger_close_time: str | int | None = None

    @property
    def available(self) -> Available:
        """The ledgers, as every source states them."""
        try:
            closed_at = int(self.latest_ledger_close_time or "")
        except ValueError:
            closed_at = None
        return Available(self.oldest_ledger, self.latest_ledger, closed_at)


class Network(Struct, rename="camel"):
    """Answer of getNetwork."""

    passphrase: str


class EventsPage(Struct, Generic[ItemT], rename="camel"):
    """Answer of getEvents; its events are in chain order."""

    latest_ledger: LedgerNumber
    #: An empty list may be null; without it, it is no answer.
    items: list[ItemT] | None = msgspec.field(name="events")
    oldest_ledger: LedgerNumber = 0
    cursor: str = ""

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self.items or ())


class TransactionsPage(Struct, Generic[ItemT], rename="camel"):
    """Answer of getTransactions; its transactions are in chain order."""

    latest_ledger: LedgerNumber
    items: list[ItemT] | None = msgspec.field(name="transactions")
    oldest_ledger: LedgerNumber = 0
    cursor: str = ""
    latest_ledger_close_timestamp: str | int | None = None

    @property
    def size(self) -> int:
        """Number of transactions."""
        return len(self.items or ())


class LedgerInfo(Struct, rename="camel"):
    """A whole ledger; `metadata_xdr` is its LedgerCloseMeta, base64 on the wire."""

    sequence: LedgerNumber
    metadata_xdr: bytes


class LedgersPage(Struct, rename="camel"):
    """Answer of getLedgers, in chain order.

    Decoded whole, unlike other pages: a ledger that is malformed cannot be stored without its
    transactions. `oldest_ledger` says nothing of a data store behind the node.
    """

    latest_ledger: LedgerNumber
    ledgers: list[LedgerInfo] | None
    oldest_ledger: LedgerNumber = 0

    @property
    def size(self) -> int:
        """Number of ledgers."""
        return len(self.ledgers or ())


class LedgerEntry(Struct, rename="camel"):
    """A ledger entry that the node has now; `xdr` is a LedgerEntryData, base64."""

    xdr: str
    last_modified_ledger_seq: LedgerNumber


class LedgerEntries(Struct, rename="camel"):
    """Answer of getLedgerEntries; `entries` undecoded, without those that the node lacks."""

    latest_ledger: LedgerNumber
    entries: list[msgspec.Raw] | None


class TransactionStatus(Struct, rename="camel"):
    """The part that every answer of getTransaction has, found or not."""

    status: str
    latest_ledger: LedgerNumber = 0
    oldest_ledger: LedgerNumber = 0


class NotFound(Struct):
    """A normal answer of getTransaction; see `proof.missing_ledger` for what it means."""

    latest_ledger: int
    oldest_ledger: int


class RpcFault(Struct):
    """The `error` member of a JSON-RPC answer; some gateways give no code."""

    code: int = 0
    message: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Reply(Struct):
    """A JSON-RPC answer: one of `result` and `error`; an absent `result` is empty."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: RpcFault | str | None = None  # gateways give a text alone


class Items(Generic[ItemT]):
    """Decodes raw items into structs, or `Malformed`, in order."""

    def __init__(self, item_type: type[ItemT]) -> None:
        self._decoder = msgspec.json.Decoder(item_type, strict=False)

    def decode(self, raws: Iterable[msgspec.Raw] | None) -> list[ItemT | Malformed]:
        """Decode each item by itself."""
        return [self._one(raw) for raw in raws or ()]

    def _one(self, raw: msgspec.Raw) -> ItemT | Malformed:
        try:
            item = self._decoder.decode(raw)
            _check_hashes([item])
            return item
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Malformed(bytes(raw).decode("utf-8", "replace"), str(error))
        except RecursionError:
            return Malformed(bytes(raw).decode("utf-8", "replace"), "nested too deeply")


class PageDecoder(Generic[ItemT]):
    """Decodes pages with their items: all at once, or each by itself if one is malformed."""

    def __init__(self, page_type: Any, item_type: type[ItemT]) -> None:  # noqa: ANN401 - generic
        self._whole = msgspec.json.Decoder(page_type[item_type], strict=False)
        self._undecoded = msgspec.json.Decoder(page_type[msgspec.Raw], strict=False)
        self._items = Items(item_type)

    def decode(self, data: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - a page of `page_type`
        """Decode a page; raises what msgspec raises if it is none."""
        try:
            page = self._whole.decode(data)
            _check_hashes(page.items or ())
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            page = self._undecoded.decode(data)
            page.items = self._items.decode(page.items)
        return page


def _check_hashes(items: Iterable[Any]) -> None:
    """Check what msgspec has not checked of the items' hashes: that all are lower-case hex.

    A pattern of msgspec's, which is asked for each item, takes half of the time of a page.
    """
    text = "".join({getattr(item, "tx_hash", "") for item in items})
    try:
        is_hex = bytes.fromhex(text).hex() == text
    except ValueError:
        is_hex = False
    if not is_hex:
        raise msgspec.ValidationError("Expected 64 lower-case hex digits - at `$.txHash`")
