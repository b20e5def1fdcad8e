"""Prove a whole ledger: its parts are what the hashes in its header and results say.

Hashes are computed of slices, so nothing is decoded for a proof. Each check has a stable name, in
`LedgerProofError.check`:

- `sequence`: an object holds exactly the ledgers that its name promises, in order.
- `header`: the header has the hash that is stated beside it.
- `previous hash`: the header states the hash of the ledger before it.
- `transaction set`: the set has the hash that the header states, and its envelopes are those of
  the results.
- `results`: all results, in order, have the hash that the header states.
- `contract call`: a successful call's return value and events have the hash that is its result.

A ledger alone proves neither changes of entries, events of classic operations and fees, nor that
its chain is the network's. Nodes that rewrite old events of asset contracts into the form of
protocol 23 (`BACKFILL_STELLAR_ASSET_EVENTS`) give other events than the network agreed on: these
fail the check of the contract call. Source: Stellar-ledger.x, Stellar-transaction.x.
"""

from hashlib import sha256
from typing import NamedTuple, NoReturn

from sorobanflow.decode.close_meta import Header
from sorobanflow.decode.raw_ledgers import Applied, RawLedger, StatedHeader
from sorobanflow.decode.tx_sets import Envelope
from sorobanflow.errors import LedgerProofError
from sorobanflow.ledgers import LedgerRange

#: The start of the OperationResult of a successful invoke_host_function; the hash follows it.
_CALL_SUCCESS = bytes([0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0])
_ONE = (1).to_bytes(4, "big")
_SUCCESS, _FEE_BUMP_SUCCESS = bytes(4), _ONE


def check_ledgers(promised: LedgerRange, held: LedgerRange, count: int, origin: str) -> None:
    """Raise LedgerProofError if an object does not hold the ledgers that its name promises."""
    if (held, count) != (promised, promised.size):
        said = f"the object states {count} ledgers, {held}; expected {promised.size}, {promised}"
        raise LedgerProofError(promised.first, "sequence", said, origin)


def check_sequence(header: Header, expected: int, origin: str) -> None:
    """Raise LedgerProofError if another ledger stands in the place of the expected one."""
    if header.sequence != expected:
        said = f"ledger {header.sequence} stands in its place"
        raise LedgerProofError(expected, "sequence", said, origin)


def check_header(stated: StatedHeader, origin: str) -> None:
    """Raise LedgerProofError if a header does not have the hash that is stated beside it."""
    header, computed = stated.header, sha256(stated.xdr).hexdigest()
    if computed != header.hash:
        said = _unequal("it has", computed, header.hash)
        raise LedgerProofError(header.sequence, "header", said, origin)


def check_chain(before: Header, after: Header, origin: str) -> None:
    """Raise LedgerProofError if a ledger does not state the hash of the one before it."""
    if after.previous_hash != before.hash:
        said = _unequal(f"ledger {before.sequence} has", before.hash, after.previous_hash)
        raise LedgerProofError(after.sequence, "previous hash", said, origin)


def prove(ledger: RawLedger, origin: str) -> list[Envelope]:
    """Prove a ledger, all but its place in the chain; give the envelopes in order of application.

    Raises:
        LedgerProofError: a check failed.
    """
    check_header(ledger.stated, origin)
    proof = _Proof(ledger, origin)
    proof.check_results()
    proof.check_tx_set()
    for applied in ledger.applied:
        proof.check_call(applied)
    return proof.match_envelopes()


class _Proof(NamedTuple):
    """The checks of one ledger."""

    ledger: RawLedger
    origin: str

    def check_results(self) -> None:
        """Hash the TransactionResultSet."""
        results = sha256(len(self.ledger.applied).to_bytes(4, "big"))
        for applied in self.ledger.applied:
            results.update(applied.hash + applied.result)
        self._compare("results", "they have", results.hexdigest(), self.ledger.stated.results_hash)

    def check_tx_set(self) -> None:
        """Compare the set's hash; where the network agreed on no set, the header states another."""
        stated, tx_set = self.ledger.stated, self.ledger.tx_set
        if not stated.is_without_set:
            self._compare("transaction set", "it has", tx_set.hash, stated.tx_set_hash)
        previous = stated.header.previous_hash
        said = "it follows the ledger of"
        self._compare("transaction set", said, tx_set.previous_ledger_hash, previous)

    def check_call(self, applied: Applied) -> None:
        """Hash the InvokeHostFunctionSuccessPreImage, if a contract was called with success."""
        stated = _call_hash(applied.result)
        if stated is None:
            return
        tx_hash, preimage = applied.hash.hex(), applied.events.call
        if preimage is None:
            said = f"transaction {tx_hash} states no return value, or events of other operations"
            self._refuse("contract call", said)
        else:
            said = f"events and return value of transaction {tx_hash} have"
            self._compare("contract call", said, sha256(preimage).hexdigest(), stated.hex())

    def match_envelopes(self) -> list[Envelope]:
        envelopes = {envelope.hash: envelope for envelope in self.ledger.tx_set.envelopes}
        hashes = [applied.hash for applied in self.ledger.applied]
        if len(envelopes) != len(self.ledger.tx_set.envelopes):
            self._refuse("transaction set", "it has an envelope twice")
        if len(hashes) != len(envelopes) or set(hashes) != envelopes.keys():
            said = (
                f"{len(envelopes)} envelopes and {len(hashes)} results are not of the same "
                "transactions; is it of another network?"
            )
            self._refuse("transaction set", said)
        return [envelopes[tx_hash] for tx_hash in hashes]

    def _compare(self, check: str, what: str, computed: str, stated: str) -> None:
        if computed != stated:
            self._refuse(check, _unequal(what, computed, stated))

    def _refuse(self, check: str, said: str) -> NoReturn:
        raise LedgerProofError(self.ledger.stated.header.sequence, check, said, self.origin)


def _unequal(what: str, computed: str, stated: str) -> str:
    return f"{what} the hash {computed}; expected {stated}"


def _call_hash(result: bytes) -> bytes | None:
    """Give the hash that a TransactionResult states of its successful contract call, if any.

    Such a transaction has this operation alone. A fee bump's result holds the inner one, after
    the code and the inner transaction's hash.
    """
    if result[8:12] == _FEE_BUMP_SUCCESS:
        result = result[44:]
    if result[8:16] != _SUCCESS + _ONE or result[16:28] != _CALL_SUCCESS:
        return None
    return result[28:60]
