"""The items that rows are made of, whatever source they come from.

Field names are those of the RPC in snake case. XDR is bytes, on the wire base64. Invariant: an
item that is not what it should be is `Malformed` and keeps what was received.
"""

from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta, Struct

from sorobanflow.ledgers import LedgerRange

LedgerNumber = Annotated[int, Meta(ge=0, le=2**31 - 1)]
#: `sources.rpc.wire` checks that it is hex.
Hash = Annotated[str, Meta(min_length=64, max_length=64)]

#: The errors of items that are readable and stand where they cannot belong begin so. They are
#: stored with the items in quarantine, so they must stay as they are.
MISPLACED, BEFORE_REQUEST = "its place ", "the request starts at ledger "


def is_misplaced(error: str) -> bool:
    """Whether an item's error says only that it came in a wrong place."""
    return error.startswith((MISPLACED, BEFORE_REQUEST))


class Event(Struct, rename="camel", omit_defaults=True, gc=False):
    """One event, as getEvents gives it; a missing `contract_id` arrives as an empty string."""

    id: Annotated[str, Meta(max_length=64)]
    type: str
    ledger: LedgerNumber
    ledger_closed_at: str
    tx_hash: Hash
    value: bytes
    contract_id: str | None = None
    topic: list[bytes] | None = None
    in_successful_contract_call: bool | None = None

    @property
    def size_bytes(self) -> int:
        """The size of its value, most of the event; topics are short."""
        return len(self.value)


class Transaction(Struct, rename="camel", gc=False):
    """One transaction, as getTransactions and getTransaction give it.

    `created_at` is the close time in Unix seconds; `tx_hash` is a fee bump's outer hash.
    """

    tx_hash: Hash
    status: str
    ledger: LedgerNumber
    application_order: Annotated[int, Meta(ge=1, le=2**20 - 1)]
    fee_bump: bool
    created_at: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # so MessagePack can hold it
    envelope_xdr: bytes
    result_xdr: bytes
    result_meta_xdr: bytes

    @property
    def size_bytes(self) -> int:
        """The size of its envelope and meta, nearly all of the transaction."""
        return len(self.envelope_xdr) + len(self.result_meta_xdr)


class Malformed(Struct):
    """An item that is not what its source promises, as received."""

    payload: str
    error: str

    @property
    def size_bytes(self) -> int:
        """The size of what was received."""
        return len(self.payload)

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields by their names on the wire; none if it is no JSON object."""
        try:
            fields = msgspec.json.decode(self.payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {}
        return fields if isinstance(fields, dict) else {}

    @property
    def stated_hash(self) -> str | None:
        """The hash of the transaction that it states; None where it states none."""
        tx_hash = self.fields.get("txHash")
        return tx_hash if isinstance(tx_hash, str) else None

    @classmethod
    def of(cls, item: Struct, error: str) -> Self:
        """Make a malformed item of one that decodes and yet cannot be right."""
        return cls(msgspec.json.encode(item).decode(), error)


class LedgerObject(Struct):
    """Whole ledgers, as their source gave them; `decode` reads and proves them.

    `name` says where it came from, for errors. `data` is an object of a data lake: zstd of a
    LedgerCloseMetaBatch (SEP-54) of exactly these ledgers; or, if not `is_batch`, one
    LedgerCloseMeta. A batch's first and last objects may hold ledgers outside of its range, which
    whoever makes the batch's rows leaves out.
    """

    name: str
    ledgers: LedgerRange
    data: bytes
    is_batch: bool
    xdr_bytes: int | None = None  # of `data`, decompressed; None: it is not compressed

    @property
    def size_bytes(self) -> int:
        """The size of its XDR, which rows are made of; that of `data` if no more is known."""
        return len(self.data) if self.xdr_bytes is None else self.xdr_bytes
