"""Choose between a node's two forms of XDR: base64, and its own JSON.

Asked once, at the start of a run. JSON costs two thirds of the time to decode, but
nodes write it by a schema that is not promised to stay. Invariant: in `auto` JSON is
chosen only where the node's newest items decode to the same in both forms. Leaves
it to the caller to set the client's `xdr_format`.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeVar

from sorobanflow.decode.events import decode_event
from sorobanflow.decode.transactions import decode_transaction
from sorobanflow.errors import (
    AnswerTooLargeError,
    DecodeError,
    LedgerOutsideRetentionError,
    RetriableError,
    RpcProtocolError,
    RpcRequestError,
)
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.sources.rpc.wire import Event, Items, Malformed, Transaction, XdrFormat

WantedFormat = Literal["base64", "json", "auto"]
ItemT = TypeVar("ItemT", Event, Transaction)

#: The newest ledgers whose first transactions and events are compared.
PROBED_LEDGERS = 10
PROBED_TRANSACTIONS = 5
PROBED_EVENTS = 10

_events = Items(Event)
_transactions = Items(Transaction)


class Form(NamedTuple):
    """The form to ask the node for, and a sentence for people that says why."""

    xdr_format: XdrFormat
    why: str


class _Sample(NamedTuple):
    """Items of a node in one form, by hash or id; `malformed` is the first bad one's error."""

    transactions: Mapping[str, Transaction]
    events: Mapping[str, Event]
    malformed: str | None


class _DifferentError(Exception):
    """The node's JSON is not to be used; says why."""


def choose_form(client: RpcClient, wanted: WantedFormat) -> Form:
    """Choose the form; in `auto` by asking the node for the same items in both.

    Args:
        client: Of the node. Its `xdr_format` is changed meanwhile and set back, so
            no other thread may use it yet.
        wanted: What the settings say.

    Raises:
        RetriableError: the node does not answer, not even in base64.
        FatalError: likewise.
    """
    if wanted != "auto":
        return Form(wanted, f"{wanted}: as the settings say")
    before = client.xdr_format
    try:
        return Form("json", f"json: {_compare_forms(client)}")
    except _DifferentError as reason:
        return Form("base64", f"base64: {reason}")
    finally:
        client.xdr_format = before


def _compare_forms(client: RpcClient) -> str:
    """Say over what the two forms are equal.

    Raises:
        _DifferentError: they are not, or nothing could be compared.
    """
    health = client.get_health()
    oldest, latest = health.oldest_ledger, health.latest_ledger
    ledgers = LedgerRange(max(oldest, latest - PROBED_LEDGERS), latest)
    client.xdr_format = "base64"
    try:
        base64 = _sample(client, ledgers)
    except (LedgerOutsideRetentionError, RetriableError) as error:
        raise _DifferentError(f"the node gives nothing to compare ({error})") from error
    if not base64.transactions:
        raise _DifferentError("the node has no transaction to compare")
    json = _json_sample(client, ledgers)
    transactions = _count_equal(
        "transaction", base64.transactions, json.transactions, decode_transaction
    )
    if not transactions:
        raise _DifferentError("the node gave no transaction in both forms")
    events = _count_equal("event", base64.events, json.events, decode_event)
    where = f"ledger{'s' if ledgers.size > 1 else ''} {ledgers}"
    return f"equal to base64 for {transactions} transactions and {events} events of {where}"


def _json_sample(client: RpcClient, ledgers: LedgerRange) -> _Sample:
    client.xdr_format = "json"
    try:
        json = _sample(client, ledgers)
    except RpcRequestError as error:
        raise _DifferentError(f"the node refuses xdrFormat json ({error})") from error
    except (
        *(RetriableError, LedgerOutsideRetentionError),
        *(AnswerTooLargeError, RpcProtocolError),
    ) as error:
        raise _DifferentError(f"the node does not answer in JSON ({error})") from error
    if json.malformed:
        raise _DifferentError(f"an item of the node's JSON is malformed ({json.malformed})")
    # Old nodes do not know the parameter and ignore it.
    if any(item.envelope_xdr for item in json.transactions.values()) or any(
        item.value for item in json.events.values()
    ):
        raise _DifferentError("the node answers in base64 when asked for JSON")
    return json


def _sample(client: RpcClient, ledgers: LedgerRange) -> _Sample:
    """Ask for the first transactions and events of ledgers, in the client's form."""
    first, last = ledgers
    transactions = _transactions.decode(
        client.get_transactions(start=first, limit=PROBED_TRANSACTIONS).transactions
    )
    events = _events.decode(client.get_events(first, last + 1, limit=PROBED_EVENTS).events)
    bad = [item.error for item in [*transactions, *events] if isinstance(item, Malformed)]
    return _Sample(
        {item.tx_hash: item for item in transactions if isinstance(item, Transaction)},
        {item.id: item for item in events if isinstance(item, Event)},
        bad[0] if bad else None,
    )


def _count_equal(
    kind: str,
    base64: Mapping[str, ItemT],
    json: Mapping[str, ItemT],
    decode: Callable[[ItemT], tuple[object, ...]],
) -> int:
    """Count the items that the node gave in both forms.

    Raises:
        _DifferentError: one of them is not the same in both.
    """
    common = [name for name in base64 if name in json]
    for name in common:
        title = f"{kind} {name[:60]}"
        try:
            wanted = decode(base64[name])
        except DecodeError as error:
            raise _DifferentError(f"{title} cannot be decoded ({error})") from error
        try:
            got = decode(json[name])
        except DecodeError as error:
            raise _DifferentError(f"the JSON of {title} cannot be decoded ({error})") from error
        if wanted != got:
            parts = getattr(wanted, "_fields", ())
            different = [part for part, a, b in zip(parts, wanted, got, strict=True) if a != b]
            raise _DifferentError(f"the {different[0]} of {title} differs in JSON")
    return len(common)
