"""Read whole ledgers of any source into the items that a node would give, and prove them.

Invariant: a ledger that is given has passed every check of `proofs`, and follows the one that was
given before it; there is no way around the checks. Its items are those of a node whose metas are
the same: transactions as getTransactions gives them, events as getEvents does.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

from sorobanflow.decode.close_meta import CloseMeta, Header
from sorobanflow.decode.event_search import EventSearch
from sorobanflow.decode.ledger_events import ledger_events
from sorobanflow.decode.proofs import (
    check_chain,
    check_header,
    check_ledgers,
    check_sequence,
    prove,
)
from sorobanflow.decode.raw_ledgers import (
    Applied,
    RawLedger,
    StatedHeader,
    find_headers,
    raw_ledger_reader,
)
from sorobanflow.decode.reader import part
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.decode.tx_sets import Envelope
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.items import LedgerObject, Transaction
from sorobanflow.sources.lake.unzstd import unzstd

_THREE_NUMBERS = Struct(">III")


def read_object(
    object: LedgerObject, network: bytes, search: EventSearch | None = None
) -> Iterator[CloseMeta]:
    """Give the ledgers of an object in their order, each of them proved.

    With a search, a ledger has only the events that it selects, the transactions that these
    name, and no changes. An object in which nothing is found is skipped: of its ledgers only
    the headers are read and proved, with their place in the chain.

    Args:
        object: A batch, or one ledger; nobody vouches for it.
        network: The id that `decode.transactions.network_id` computes.
        search: Of a filter; None: everything.

    Raises:
        DecodeError: the object is no batch of ledgers, or no ledger, or too large.
        LedgerProofError: a ledger fails a check of `proofs`, or is not the one promised.
    """
    try:
        data, at = _first_ledger(object)
        headers = None
        if search is not None and not search.may_hold(data):
            headers = find_headers(data, at, object.ledgers.size)
        if headers is None:
            ledgers = _walked(data, at, object, network, search)
        else:
            ledgers = _skipped(headers, object.name)
        yield from _in_order(ledgers, object)
    except DecodeError as error:
        raise DecodeError(f"{object.name}: {error}") from error


def _in_order(ledgers: Iterable[CloseMeta], object: LedgerObject) -> Iterator[CloseMeta]:
    """Check that ledgers are those that the object promises, and follow each other."""
    before: Header | None = None
    for expected, ledger in enumerate(ledgers, object.ledgers.first):
        check_sequence(ledger.header, expected, object.name)
        if before is not None:
            check_chain(before, ledger.header, object.name)
        yield ledger
        before = ledger.header


def _first_ledger(object: LedgerObject) -> tuple[bytes, int]:
    """Give the XDR of an object, and where its first ledger begins."""
    if object.is_batch:
        data = _decompress(object.data)
        (first, last, count), at = _read_head(data, 0)
        held = LedgerRange(first, last)
    else:
        data, at, held, count = object.data, 0, object.ledgers, 1
    check_ledgers(object.ledgers, held, count, object.name)
    return data, at


def _skipped(headers: Iterable[StatedHeader], origin: str) -> Iterator[CloseMeta]:
    """Prove the headers of ledgers in which nothing is wanted."""
    for stated in headers:
        check_header(stated, origin)
        yield CloseMeta(stated.header, [], [], [], [], [])


def _decompress(data: bytes) -> bytes:
    try:
        return b"".join(unzstd(data))
    except ValueError as error:
        raise DecodeError(f"cannot decompress the object ({error})") from error


def _walked(
    data: bytes, at: int, object: LedgerObject, network: bytes, search: EventSearch | None
) -> Iterator[CloseMeta]:
    """Read and prove the ledgers of an object, one at a time."""
    read = raw_ledger_reader(network, with_changes=search is None)
    for _ in range(object.ledgers.size):
        ledger, at = read(data, at)
        yield _close_meta(ledger, prove(ledger, object.name), search)
    if at != len(data):
        raise DecodeError(f"the ledgers end at byte {at} of {len(data)}")


_read_head = part(
    "LedgerCloseMetaBatch",
    lambda data, at: (_THREE_NUMBERS.unpack_from(data, at), at + _THREE_NUMBERS.size),
)


def _close_meta(
    ledger: RawLedger, envelopes: list[Envelope], search: EventSearch | None
) -> CloseMeta:
    header, applied = ledger.stated.header, ledger.applied
    pairs = zip(applied, envelopes, strict=True)
    transactions = [_transaction(header, number, *pair) for number, pair in enumerate(pairs, 1)]
    of_metas = [*zip(transactions, (one.events for one in applied), strict=True)]
    if search is not None:
        events = ledger_events(of_metas, search.selects)
        named = {event.tx_hash for event in events}
        found = [
            pair for pair in zip(transactions, applied, strict=True) if pair[0].tx_hash in named
        ]
        fees = [one.fees._replace(before=[], after=[]) for _, one in found]
        return CloseMeta(header, [item for item, _ in found], events, fees, [], [])
    return CloseMeta(
        header=header,
        transactions=transactions,
        events=ledger_events(of_metas),
        fees=[one.fees for one in applied],
        upgrades=ledger.upgrades,
        evicted=ledger.evicted,
        decoded=[*map(_decoded, applied, envelopes)],
    )


def _decoded(applied: Applied, envelope: Envelope) -> DecodedTransaction | None:
    parts, result, meta = envelope.parts, applied.read_result, applied.read_meta
    if parts is None or result is None or meta is None:
        return None
    return DecodedTransaction(parts, result, meta)


def _transaction(header: Header, number: int, applied: Applied, envelope: Envelope) -> Transaction:
    return Transaction(
        tx_hash=applied.hash.hex(),
        status="SUCCESS" if applied.is_successful else "FAILED",
        ledger=header.sequence,
        application_order=number,
        fee_bump=envelope.is_fee_bump,
        created_at=header.closed_at,
        envelope_xdr=envelope.xdr,
        result_xdr=applied.result,
        result_meta_xdr=applied.meta,
    )
