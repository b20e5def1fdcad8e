"""Many getTransaction calls in one POST, as a JSON-RPC batch.

Used by the client where the node accepts batches. Invariant: what was answered
is kept at once in the caller's dict, so a fault costs only the calls that it
hit; the next round asks only for those.
"""

from collections.abc import Iterator, MutableMapping, Sequence

import msgspec

from sorobanflow.errors import (
    RetriableError,
    RpcProtocolError,
    RpcRequestError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.rpc.calls import Calls
from sorobanflow.sources.rpc.jsonrpc import (
    decode_as,
    decode_member,
    decode_members,
    encode_batch,
    error_of,
)
from sorobanflow.sources.rpc.wire import (
    Items,
    Malformed,
    NotFound,
    Reply,
    RpcFault,
    Transaction,
    TransactionStatus,
)

Answer = Transaction | NotFound | Malformed

METHOD = "getTransaction"
_statuses = msgspec.json.Decoder(TransactionStatus, strict=False)
_transactions = Items(Transaction)
_NOT_ABOUT_BATCHES = (401, 403)  # who we are, not what we ask


class BatchRefusedError(Exception):
    """The node takes no batches; the calls have to be made one by one."""


class TransactionBatch:
    """One batch, asked in rounds until every hash has its answer."""

    def __init__(
        self,
        calls: Calls,
        request_ids: Iterator[int],
        hashes: Sequence[str],
        answers: MutableMapping[str, Answer],
    ) -> None:
        self._calls = calls
        self._request_ids = request_ids
        self._hashes = hashes
        self._answers = answers
        self.answered = False  # whether the node ever answered with an array

    def ask(self) -> None:
        """Ask in one POST for what has no answer yet.

        Raises:
            BatchRefusedError: the node takes no batches.
            RetriableError: some calls have no answer yet; ask again.
            FatalError: a call failed for good; the others have their answers.
        """
        asked = dict(zip(self._request_ids, self._unanswered(), strict=False))
        calls = {number: {"hash": name} for number, name in asked.items()}
        body = encode_batch(METHOD, calls)
        try:
            error = self._calls.once(METHOD, body, lambda answer: self._keep(answer, asked))
        except RpcRequestError as refused:
            if refused.code in _NOT_ABOUT_BATCHES:
                raise
            raise BatchRefusedError from refused
        if error is not None:
            raise error

    def _unanswered(self) -> list[str]:
        return [name for name in self._hashes if name not in self._answers]

    def _keep(self, body: bytes, asked: dict[int, str]) -> SorobanflowError | None:
        """Keep the answers; raise if there are none, else give the error of the rest."""
        members = decode_members(METHOD, body)
        if isinstance(members, Reply):
            raise self._whole_error(members)
        self.answered = True
        errors = [error for raw in members for error in self._errors(raw, asked)]
        unanswered = self._unanswered()
        if not unanswered:
            return None
        nothing = len(unanswered) == len(asked)
        # One error without an id may speak for the whole batch.
        if len(unanswered) > len(errors) and not (nothing and errors):
            text = f"{METHOD}: {len(unanswered)} of {len(asked)} calls of a batch have no answer"
            errors.append(RpcUnavailableError(text))
        # Retriable first: the calls that failed for good raise once the others have answers.
        error = min(errors, key=lambda one: not isinstance(one, RetriableError))
        if nothing:
            raise error
        return error

    def _errors(self, raw: msgspec.Raw, asked: dict[int, str]) -> Iterator[SorobanflowError]:
        """Keep the answer of a member, or give its error; a malformed one counts as missing."""
        reply = decode_member(raw)
        if reply is None:
            return
        tx_hash = asked.get(reply.id) if isinstance(reply.id, int) else None
        if reply.error is not None:
            if tx_hash is not None or reply.id is None:
                yield self._fault(reply.error)
        elif tx_hash is not None:
            try:
                status = decode_as(METHOD, reply.result, _statuses)
            except (RpcProtocolError, RpcUnavailableError):
                return
            try:
                self._answers[tx_hash] = _answer(tx_hash, status, reply.result)
            except RpcProtocolError as error:
                yield error

    def _whole_error(self, reply: Reply) -> SorobanflowError:
        if reply.error is None:
            return RpcProtocolError(f"{METHOD}: a batch was answered with a single result")
        return self._fault(reply.error)

    def _fault(self, fault: RpcFault) -> SorobanflowError:
        return error_of(METHOD, fault, None, self._calls.transport.clean)


def answer_of(tx_hash: str, result: msgspec.Raw) -> Answer:
    """Read a result of getTransaction.

    Raises:
        RpcProtocolError: it is no such result, or of another transaction.
    """
    return _answer(tx_hash, decode_as(METHOD, result, _statuses), result)


def _answer(tx_hash: str, status: TransactionStatus, result: msgspec.Raw) -> Answer:
    if status.status == "NOT_FOUND":
        return NotFound(status.latest_ledger, status.oldest_ledger)
    (item,) = _transactions.decode([result])
    # A malformed item under another's hash must not be set aside as what was asked for.
    given = item.stated_hash if isinstance(item, Malformed) else item.tx_hash
    if given not in (tx_hash, None):
        raise RpcProtocolError(f"{METHOD}: asked for {tx_hash}, the node gave {given!r:.70}")
    return item
