"""Make the rows of a batch of whole ledgers, from what `sources` fetched, for `store`.

Invariant: every item becomes rows or one quarantine row, and a repeated item changes nothing.
Only a quarantine row of kind `token_operation` stands beside the rows of its event. A whole ledger
(LedgerCloseMeta) that cannot be read or proved is refused, and the batch with it.
"""

from collections.abc import Callable, Iterable
from itertools import chain, groupby
from typing import Any, TypedDict, Unpack

from sorobanflow.decode.close_meta import CloseMeta
from sorobanflow.decode.close_metas import read_object
from sorobanflow.decode.event_search import EventSearch
from sorobanflow.decode.transactions import network_id
from sorobanflow.errors import DecodeError
from sorobanflow.ledgers import LedgerRange
from sorobanflow.rows.batch_rows import BatchRows
from sorobanflow.rows.events import EventRow, event_row
from sorobanflow.rows.executables import contract_rows, replacements
from sorobanflow.rows.quarantine import Item, Quarantined, stated_ledger
from sorobanflow.rows.state import State, refunds_of
from sorobanflow.rows.state_rows import TokenRow
from sorobanflow.rows.token_state import token_rows
from sorobanflow.rows.tokens import TokenOperationRow, token_operation_row
from sorobanflow.rows.transaction_entry import TransactionEntry, TransactionReader
from sorobanflow.rows.transactions import TransactionRow
from sorobanflow.rows.whole_ledgers import WholeLedgers
from sorobanflow.sources.filters import EventFilter
from sorobanflow.sources.items import Event, LedgerObject, Malformed, Transaction


class RowOptions(TypedDict, total=False):
    """The options of `RowMaker`."""

    whole: bool
    event_filter: EventFilter | None
    anchor: tuple[int, str] | None
    with_calls: bool


def make_rows(
    ledgers: LedgerRange,
    events: Iterable[Event | Malformed],
    transactions: Iterable[Transaction | Malformed],
    passphrase: str,
    *,
    objects: Iterable[LedgerObject] = (),
    **options: Unpack[RowOptions],
) -> BatchRows:
    """Make the rows of a batch that was fetched completely; see `RowMaker`."""
    maker = RowMaker(ledgers, passphrase, **options)
    maker.add_transactions(transactions)
    maker.add_events(events)
    maker.add_objects(objects)
    return maker.finish()


class RowMaker:
    """Makes the rows of a batch from items in any order; what is bad goes to quarantine.

    `whole` states that all transactions of the ledgers will be added. If not, refunds of
    fees are left out, and their accounts marked: they add to balances that this batch may
    not have seen. `event_filter`: selected the items, and selects of whole ledgers; no rows of
    state and headers are made then. `anchor`: a ledger, and its hash in hex, which is trusted.
    `with_calls`: make rows of contract calls too, where diagnostic events tell them.
    """

    def __init__(
        self,
        ledgers: LedgerRange,
        passphrase: str,
        *,
        whole: bool = True,
        event_filter: EventFilter | None = None,
        anchor: tuple[int, str] | None = None,
        with_calls: bool = False,
    ) -> None:
        self._ledgers = ledgers
        self._passphrase = passphrase
        self._network = network_id(passphrase)
        self._reader = TransactionReader(
            passphrase, with_state=event_filter is None, with_calls=with_calls
        )
        self._whole = whole
        self._filter = event_filter
        self._transactions: dict[str, TransactionEntry] = {}  # by hash, in hex
        self._places: dict[tuple[int, int], str] = {}  # hash by ledger and order
        self._events: dict[str, tuple[EventRow, Event]] = {}
        self._quarantine = Quarantined()
        self._whole_ledgers = WholeLedgers(ledgers, passphrase, anchor)

    def add_objects(self, objects: Iterable[LedgerObject]) -> None:
        """Add whole ledgers, in any order; those outside of the batch are ignored.

        Raises:
            DecodeError: a ledger cannot be read, or was added before.
            LedgerProofError: a ledger is not what its hashes say, or not the anchor.
            ConfigurationError: the filter cannot select anything.
        """
        search = None if self._filter is None else EventSearch(self._filter)
        for one in objects:
            for ledger in read_object(one, self._network, search):
                if self._ledgers.holds(ledger.header.sequence):
                    self.add_whole_ledger(ledger, one.name)

    def add_whole_ledger(self, ledger: CloseMeta, origin: str) -> None:
        """Add a ledger of the batch that was read and proved; see `add_objects`."""
        self._whole_ledgers.add(ledger, origin)
        hashes = (item.tx_hash for item in ledger.transactions)
        self._reader.decoded = dict(zip(hashes, ledger.decoded, strict=False))
        self.add_transactions(ledger.transactions)
        self._reader.decoded = {}
        for item, fees in zip(ledger.transactions, ledger.fees, strict=False):
            if (entry := self._transactions.get(item.tx_hash)) is not None:
                self._transactions[item.tx_hash] = entry.with_fees(fees)
        self.add_events(ledger.events)

    def add_transactions(self, items: Iterable[Transaction | Malformed]) -> None:
        """Add transactions in the order of delivery."""
        self._add("transaction", items, self._add_transaction)

    def add_events(self, items: Iterable[Event | Malformed]) -> None:
        """Add events in the order of delivery."""
        self._add("event", items, self._add_event)

    def finish(self) -> BatchRows:
        """Return the rows, in chain order; for the errors see `WholeLedgers.check`."""
        rows = BatchRows(self._ledgers)
        self._quarantine.drop_misplaced(
            {"transaction": self._transactions.keys(), "event": self._events.keys()}
        )
        entries = sorted(self._transactions.values(), key=lambda entry: _order(entry.row))
        rows.transactions = [entry.row for entry in entries]
        rows.operations = [operation for entry in entries for operation in entry.operations]
        rows.contract_calls = [call for entry in entries for call in entry.calls]
        rows.trades = [trade for entry in entries for trade in entry.trades]
        events = [self._events[key] for key in sorted(self._events)]
        rows.events = [row for row, _ in events]
        operations = self._token_operations(events)
        rows.token_operations = [row for row, _ in operations]
        rows.quarantine = self._quarantine.sorted()
        state = self._state(entries, rows.events)
        tables = rows.by_table()
        for table, by_key in state.finish().items():
            tables[table] += _by_key(by_key)
        seen = (token for _, token in operations)
        called = rows.operations if self._filter is None else ()
        rows.contracts = contract_rows(rows.events, called)
        rows.tokens = token_rows(seen, rows.token_balances, rows.token_metadata)
        rows.closed_at = {event.ledger: event.closed_at for event in reversed(rows.events)}
        rows.closed_at |= {row.ledger: row.closed_at for row in reversed(rows.transactions)}
        self._whole_ledgers.check()
        if self._filter is None:
            self._whole_ledgers.add_headers(rows)
        return rows

    def _state(self, entries: list[TransactionEntry], events: list[EventRow]) -> State:
        """Reduce the transactions, in chain order, and what is around them to the state after."""
        state = State(self._passphrase, replacements(events))
        incomplete = {row.ledger for row in self._quarantine.sorted() if row.kind == "transaction"}
        groups = groupby(entries, key=lambda entry: entry.row.ledger)
        by_ledger = {ledger: [*group] for ledger, group in groups}
        for ledger, whole in sorted(self._whole_ledgers.by_sequence.items()):
            changes = (entry.state for entry in by_ledger.pop(ledger, ()))
            state.add(chain(whole.before, *changes, whole.after))
        for ledger, group in by_ledger.items():
            state.add(chain(*(entry.state for entry in group)))
            known = self._whole and ledger not in incomplete
            refunds = chain(*(refunds_of(entry.row, entry.meta) for entry in group))
            for number, refund in enumerate(refunds):
                state.refund(ledger, number, refund if known else refund._replace(stroops=None))
        return state

    def _token_operations(
        self, events: Iterable[tuple[EventRow, Event]]
    ) -> list[tuple[TokenOperationRow, TokenRow]]:
        rows = []
        for row, item in events:
            entry = self._transactions.get(item.tx_hash)
            successful = row.in_successful_call if entry is None else entry.row.successful
            try:
                token = token_operation_row(row, item, self._passphrase, successful)
            except Exception as error:  # the event's own row stays
                self._quarantine.add("token_operation", item, row.ledger, error)
            else:
                rows += [token] if token else []
        return rows

    def _add(self, kind: str, items: Iterable[Item], add: Callable[[Any], None]) -> None:
        first, last = self._ledgers.first, self._ledgers.last
        ledger = first
        for item in items:
            try:
                if isinstance(item, Malformed):
                    raise DecodeError(item.error)
                if not first <= item.ledger <= last:
                    raise DecodeError(
                        f"it is of ledger {item.ledger}, the batch of {self._ledgers}"
                    )
                ledger = item.ledger
                add(item)
            except Exception as error:  # one bad item must never abort a batch
                # An item that names no ledger of the batch is quarantined under that of the item
                # before it: fetching the batch's ledgers again is what clears a quarantine row.
                stated = stated_ledger(item)
                if stated is not None and self._ledgers.holds(stated):
                    ledger = stated
                self._quarantine.add(kind, item, ledger, error)

    def _add_transaction(self, item: Transaction) -> None:
        entry = self._reader.read(item)
        place = entry.row.ledger, entry.row.application_order
        if self._places.setdefault(place, item.tx_hash) != item.tx_hash:
            raise DecodeError(
                f"transaction {item.tx_hash} has the place of {self._places[place]}: "
                f"{place[1]} in ledger {place[0]}"
            )
        if not self._transactions.setdefault(item.tx_hash, entry).is_same(entry):
            raise DecodeError(f"a different transaction {item.tx_hash} was delivered before")

    def _add_event(self, item: Event) -> None:
        row = event_row(item)
        if self._events.setdefault(item.id, (row, item))[0] != row:
            raise DecodeError(f"a different event {item.id} was delivered before")


def _order(row: TransactionRow) -> tuple[int, int]:
    return row.ledger, row.application_order


def _by_key(rows: dict[Any, Any]) -> list[Any]:
    return [rows[key] for key in sorted(rows)]
