"""Ways to change an object of whole ledgers where hashes cover it.

Each takes a `Draft` and changes it, or leaves it as it is if it finds nothing to change. They work
on stellar-sdk's objects, so they know nothing of our reader.
"""

from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from stellar_sdk import xdr

from sorobanflow.ledgers import LedgerRange
from tests.integration.ledger_draft import (
    MARKED_EVENT,
    MARKED_VALUE,
    Call,
    Draft,
    call_of,
    envelopes_of,
)

Tamper: TypeAlias = Callable[[Draft], None]
#: Changes a list that is not empty.
ListChange: TypeAlias = Callable[[list[Any], Random], None]
PAYMENT = xdr.OperationMetaV2(xdr.ExtensionPoint(0), xdr.LedgerEntryChanges([]), [MARKED_EVENT])


def any_call(draft: Draft, *, with_events: bool = False) -> Call | None:
    found = [call for call in map(call_of, draft.body.tx_processing) if call]
    found = [call for call in found if call.events_of.events or not with_events]
    return draft.random.choice(found) if found else None


def remove_one(items: list[Any], random: Random) -> None:
    del items[random.randrange(len(items))]


def repeat_one(items: list[Any], random: Random) -> None:
    items.insert(random.randint(0, len(items)), random.choice(items))


def of_set(change: ListChange) -> Tamper:
    def tamper(draft: Draft) -> None:
        lists = envelopes_of(draft)
        if lists:
            change(draft.random.choice(lists), draft.random)
            draft.write()

    return tamper


def of_results(change: ListChange) -> Tamper:
    def tamper(draft: Draft) -> None:
        if draft.body.tx_processing:
            change(draft.body.tx_processing, draft.random)
            draft.write()

    return tamper


def of_both(change: ListChange, *, sealed: bool) -> Tamper:
    """Change the only transaction of a ledger in both places; sealed, its successor shows it."""

    def tamper(draft: Draft) -> None:
        lists = envelopes_of(draft)
        if len(draft.body.tx_processing) == 1 and (draft.has_next or not sealed):
            change(lists[0], draft.random)
            change(draft.body.tx_processing, draft.random)
            if sealed:
                draft.seal()
            draft.write()

    return tamper


def unsign(envelopes: list[Any], random: Random) -> None:
    """Remove a signature, which the hash of the set covers, and not that of the transaction."""
    envelope = random.choice(envelopes)
    del (envelope.v0 or envelope.v1 or envelope.fee_bump).signatures[:1]


def swap_two(items: list[Any], random: Random) -> None:
    one, other = random.sample(range(len(items)), 2) if len(items) > 1 else (0, 0)
    items[one], items[other] = items[other], items[one]


def swap_results(items: list[Any], random: Random) -> None:
    """Give two transactions each other's result."""
    one, other = random.sample(items, 2) if len(items) > 1 else (items[0], items[0])
    one.result.result, other.result.result = other.result.result, one.result.result


def flip_header(draft: Draft) -> None:
    draft.flip_in(draft.body.ledger_header.header)


def flip_header_hash(draft: Draft) -> None:
    """Change the hash that stands beside the header, right before it."""
    header = draft.body.ledger_header.header.to_xdr_bytes()
    draft.flip(draft.ledgers[draft.at].index(header) - 32, 32)


def flip_tx_set(draft: Draft) -> None:
    draft.flip_in(draft.body.tx_set)


def flip_result(draft: Draft) -> None:
    if draft.body.tx_processing:
        draft.flip_in(draft.random.choice(draft.body.tx_processing).result)


def flip_events(draft: Draft) -> None:
    """Change a byte of a call's events, or of their number."""
    call = any_call(draft, with_events=True)
    if call:
        at = draft.find(call.events_of, "events", [MARKED_EVENT], MARKED_EVENT)
        size = sum(len(event.to_xdr_bytes()) for event in call.events_of.events)
        draft.flip(at - 4, 4 + size)


def flip_return_value(draft: Draft) -> None:
    call = any_call(draft)
    if call:
        at = draft.find(call.value_of, "return_value", MARKED_VALUE, MARKED_VALUE)
        draft.flip(at, len(call.value_of.return_value.to_xdr_bytes()))


def of_events(change: ListChange, *, with_events: bool = True) -> Tamper:
    def tamper(draft: Draft) -> None:
        call = any_call(draft, with_events=with_events)
        if call:
            change(call.events_of.events, draft.random)
            draft.write()

    return tamper


def alter_event(events: list[Any], random: Random) -> None:
    random.choice(events).body.v0.data = MARKED_VALUE


def add_event(events: list[Any], random: Random) -> None:
    events.insert(random.randint(0, len(events)), MARKED_EVENT)


def add_operation(draft: Draft) -> None:
    """Add the meta of an operation that the called transaction does not have, with an event."""
    call = any_call(draft)
    if call and call.v4:
        call.v4.operations.append(PAYMENT)
        draft.write()


def change_return_value(draft: Draft) -> None:
    call = any_call(draft)
    if call:
        call.value_of.return_value = MARKED_VALUE
        draft.write()


def remove_return_value(draft: Draft) -> None:
    call = any_call(draft)
    if call and call.v4:
        call.value_of.return_value = None
        draft.write()


def break_chain(draft: Draft) -> None:
    """Have the ledger follow another one than it does, and agree with itself."""
    if draft.at:
        other = xdr.Hash(draft.random.randbytes(32))
        draft.body.ledger_header.header.previous_ledger_hash = other
        tx_set = draft.body.tx_set
        (tx_set if draft.meta.v0 else tx_set.v1_tx_set).previous_ledger_hash = other
        draft.seal()
        draft.write()


def foreign_set(draft: Draft) -> None:
    """Have the transaction set follow another ledger than the header does."""
    tx_set = draft.body.tx_set
    other = xdr.Hash(draft.random.randbytes(32))
    (tx_set if draft.meta.v0 else tx_set.v1_tx_set).previous_ledger_hash = other
    draft.seal()
    draft.write()


def change_and_seal(draft: Draft) -> None:
    """Change what only the header states; the ledger after it shows it."""
    if draft.has_next:
        draft.body.ledger_header.header.total_coins = xdr.Int64(draft.random.getrandbits(63))
        draft.seal()
        draft.write()


def of_ledgers(change: ListChange) -> Tamper:
    return lambda draft: change(draft.ledgers, draft.random)


def other_range(draft: Draft) -> None:
    """Have the batch state other ledgers than its name promises."""
    first, last = draft.stated
    draft.stated = draft.random.choice([LedgerRange(first + 1, last), LedgerRange(first, last + 1)])


def drop_and_state(draft: Draft) -> None:
    """Drop the last ledger, and have the batch state so."""
    if draft.has_next:
        draft.ledgers.pop()
        draft.stated = LedgerRange(draft.stated.first, draft.stated.last - 1)


#: Each with the name of the check that refuses it.
TAMPERINGS: dict[str, tuple[Tamper, str]] = {
    "a byte of the header": (flip_header, "header"),
    "a byte of the header's hash": (flip_header_hash, "header"),
    "a byte of the transaction set": (flip_tx_set, "transaction set"),
    "a byte of a result": (flip_result, "results"),
    "a byte of a call's events": (flip_events, "contract call"),
    "a byte of a call's return value": (flip_return_value, "contract call"),
    "an envelope removed": (of_set(remove_one), "transaction set"),
    "an envelope repeated": (of_set(repeat_one), "transaction set"),
    "an envelope unsigned": (of_set(unsign), "transaction set"),
    "a result removed": (of_results(remove_one), "results"),
    "a result repeated": (of_results(repeat_one), "results"),
    "a transaction removed": (of_both(remove_one, sealed=False), "results"),
    "a transaction repeated": (of_both(repeat_one, sealed=False), "results"),
    "a transaction removed, sealed": (of_both(remove_one, sealed=True), "previous hash"),
    "a transaction repeated, sealed": (of_both(repeat_one, sealed=True), "transaction set"),
    "two transactions swapped": (of_results(swap_two), "results"),
    "two results swapped": (of_results(swap_results), "results"),
    "an event altered": (of_events(alter_event), "contract call"),
    "an event removed": (of_events(remove_one), "contract call"),
    "an event repeated": (of_events(repeat_one), "contract call"),
    "an event added": (of_events(add_event, with_events=False), "contract call"),
    "an operation added": (add_operation, "contract call"),
    "a return value changed": (change_return_value, "contract call"),
    "a return value removed": (remove_return_value, "contract call"),
    "another ledger before it": (break_chain, "previous hash"),
    "another ledger before its set": (foreign_set, "transaction set"),
    "a field of the header, sealed": (change_and_seal, "previous hash"),
    "a ledger dropped": (of_ledgers(remove_one), "sequence"),
    "a ledger repeated": (of_ledgers(repeat_one), "sequence"),
    "two ledgers swapped": (of_ledgers(swap_two), "sequence"),
    "another range": (other_range, "sequence"),
    "a ledger dropped, and stated so": (drop_and_state, "sequence"),
}
