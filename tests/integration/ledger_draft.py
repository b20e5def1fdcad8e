"""An object of whole ledgers that a test changes, by way of stellar-sdk's objects."""

from hashlib import sha256
from random import Random
from typing import Any

from stellar_sdk import xdr

from sorobanflow.sources.items import LedgerObject
from tests.integration.core_ledgers import CoreLedger
from tests.whole_ledgers import batch_object, pack

SUCCESS = xdr.InvokeHostFunctionResultCode.INVOKE_HOST_FUNCTION_SUCCESS
MARK = b"a mark that no ledger holds"
MARKED_VALUE = xdr.SCVal(xdr.SCValType.SCV_BYTES, bytes=xdr.SCBytes(MARK))
MARKED_EVENT = xdr.ContractEvent(
    xdr.ExtensionPoint(0),
    xdr.ContractID(xdr.Hash(bytes(32))),
    xdr.ContractEventType.CONTRACT,
    xdr.ContractEventBody(0, xdr.ContractEventV0([], MARKED_VALUE)),
)


class Draft:
    """An object of up to three ledgers, one of which can be changed as stellar-sdk's objects."""

    def __init__(self, core: CoreLedger, random: Random) -> None:
        self.random = random
        self.at = min(core.at, 1)
        window = core.chain[core.at - self.at : core.at + 2]
        self.ledgers = [ledger.xdr for ledger in window]
        self.stated = self._promised = batch_object(window).ledgers
        self._before = (self.stated, [*self.ledgers])
        self.meta = xdr.LedgerCloseMeta.from_xdr_bytes(core.ledger.xdr)
        self.body: Any = self.meta.v0 or self.meta.v1 or self.meta.v2

    @property
    def is_changed(self) -> bool:
        return (self.stated, self.ledgers) != self._before

    @property
    def object(self) -> LedgerObject:
        """The object, under the name that it had before."""
        return LedgerObject("draft", self._promised, pack(self.stated, self.ledgers), True)

    @property
    def has_next(self) -> bool:
        """Whether a ledger follows, which states the hash of this one."""
        return self.at + 1 < len(self.ledgers)

    def write(self) -> None:
        """Put the ledger as `body` has it into the object."""
        self.ledgers[self.at] = self.meta.to_xdr_bytes()

    def flip(self, start: int, size: int) -> None:
        """Change one of these bytes of the ledger."""
        data = bytearray(self.ledgers[self.at])
        data[start + self.random.randrange(size)] ^= self.random.randint(1, 255)
        self.ledgers[self.at] = bytes(data)

    def flip_in(self, value: Any) -> None:
        """Change a byte of a value that stands in the ledger only once."""
        part = value.to_xdr_bytes()
        self.flip(self.ledgers[self.at].index(part), len(part))

    def find(self, holder: Any, name: str, mark: Any, found: Any) -> int:
        """Find where a field's value stands in the ledger: put a mark there and look for it."""
        value = getattr(holder, name)
        setattr(holder, name, mark)
        at = self.meta.to_xdr_bytes().index(found.to_xdr_bytes())
        setattr(holder, name, value)
        return at

    def seal(self) -> None:
        """Make the ledger agree with itself again: all hashes in the header, and its own."""
        header, tx_set = self.body.ledger_header.header, self.body.tx_set
        header.tx_set_result_hash = hash_of(
            xdr.TransactionResultSet([one.result for one in self.body.tx_processing])
        )
        header.scp_value.tx_set_hash = hash_of_set(tx_set) if self.meta.v0 else hash_of(tx_set)
        self.body.ledger_header.hash = hash_of(header)


class Call:
    """A successful contract call; `events_of.events` are its events, `value_of` its value."""

    def __init__(self, meta: xdr.TransactionMeta) -> None:
        self.v4 = meta.v4
        body: Any = meta.v4 or meta.v3
        self.value_of = body.soroban_meta
        self.events_of = body.operations[0] if meta.v4 else body.soroban_meta


def hash_of(value: Any) -> xdr.Hash:
    return xdr.Hash(sha256(value.to_xdr_bytes()).digest())


def hash_of_set(tx_set: xdr.TransactionSet) -> xdr.Hash:
    envelopes = [envelope.to_xdr_bytes() for envelope in tx_set.txs]
    envelopes.sort(key=lambda envelope: sha256(envelope).digest())
    content = tx_set.previous_ledger_hash.hash + b"".join(envelopes)
    return xdr.Hash(sha256(content).digest())


def call_of(one: Any) -> Call | None:
    """Find the successful contract call of a TransactionResultMeta."""
    result = one.result.result.result
    if result.inner_result_pair:
        result = result.inner_result_pair.result.result
    tr = result.results[0].tr if result.results else None
    invoked = tr and tr.invoke_host_function_result
    return Call(one.tx_apply_processing) if invoked and invoked.code is SUCCESS else None


def envelopes_of(draft: Draft) -> list[list[Any]]:
    """The lists that hold the envelopes, none of them empty."""
    tx_set = draft.body.tx_set
    if isinstance(tx_set, xdr.TransactionSet):
        return [tx_set.txs] if tx_set.txs else []
    lists = []
    for phase in tx_set.v1_tx_set.phases:
        lists += [one.txs_maybe_discounted_fee.txs for one in phase.v0_components or []]
        parallel = phase.parallel_txs_component
        for stage in parallel.execution_stages if parallel else []:
            lists += [one.dependent_tx_cluster for one in stage.parallel_tx_execution_stage]
    return [one for one in lists if one]
