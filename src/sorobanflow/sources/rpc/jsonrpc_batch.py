"""Many getTransaction calls in one POST, as a JSON-RPC batch.

Providers refuse batches in many ways, and cut their answers, so a batch that fails proves
nothing about the node: a single call decides. Invariants: an answer is kept immediately in
the caller's dict, so that a fault costs only the calls that it affects; an answer is only
taken for the call whose id and hash it has.
"""

import time
from collections.abc import Mapping, MutableMapping, Sequence

import msgspec

from sorobanflow.errors import (
    AnswerTooLargeError,
    EndpointError,
    RateLimitedError,
    RetriableError,
    RpcProtocolError,
    RpcRequestError,
    RpcUnavailableError,
    SorobanflowError,
)
from sorobanflow.sources.endpoint.attempts import Timed
from sorobanflow.sources.endpoint.breaker import Clock
from sorobanflow.sources.items import Malformed, Transaction
from sorobanflow.sources.rpc.call_sizes import CallSize
from sorobanflow.sources.rpc.calls import Calls
from sorobanflow.sources.rpc.jsonrpc import (
    decode_as,
    decode_member,
    decode_members,
    encode_batch,
    error_of,
)
from sorobanflow.sources.rpc.wire import Items, NotFound, Reply, RpcFault, TransactionStatus

Answer = Transaction | NotFound | Malformed
Answers = MutableMapping[str, Answer]

METHOD = "getTransaction"
#: Attempts of a batch, before a single call decides whether the batch or the node failed.
MAX_ATTEMPTS = 2
#: Seconds without batches after a refusal by a node that never answered one.
REFUSED_S = 600.0

_FAILURES = (EndpointError, RpcRequestError, RpcProtocolError, AnswerTooLargeError)

_statuses = msgspec.json.Decoder(TransactionStatus, strict=False)
_transactions = Items(Transaction)


class JsonRpcBatches:
    """The batches of a client, and whether its node accepts them; shared by threads."""

    def __init__(self, calls: Calls, size: CallSize, clock: Clock = time.monotonic) -> None:
        self._calls = calls
        self._size = size
        self._clock = clock
        self._answered = False  # whether a batch ever brought an answer
        self._refused_until = clock()

    @property
    def accepted(self) -> bool:
        """Whether a batch is worth a try."""
        return self._clock() >= self._refused_until

    def ask(self, hashes: Sequence[str], answers: Answers) -> None:
        """Ask in batches; what has no answer afterwards must be asked for in single calls.

        Raises:
            SorobanflowError: a batch failed, and then a single call too; this is its error.
        """
        try:
            while self.accepted and any(tx_hash not in answers for tx_hash in hashes):
                self._calls.attempts.retried(
                    METHOD, lambda: self._ask_once(hashes, answers), MAX_ATTEMPTS
                )
        except _FAILURES as error:
            tx_hash = next(tx_hash for tx_hash in hashes if tx_hash not in answers)
            single = self._calls.attempts.retried(METHOD, lambda: ask_once(self._calls, tx_hash))
            answers[tx_hash] = single.value
            self._size.fail(len(hashes))
            if not self._answered and not isinstance(error, AnswerTooLargeError):
                self._refused_until = self._clock() + REFUSED_S

    def _ask_once(self, hashes: Sequence[str], answers: Answers) -> None:
        """Ask in one POST for what has no answer yet, and keep what is answered.

        After a FatalError, all calls but the failed ones have their answers.
        """
        if not self.accepted:  # another thread has found out
            return
        missing = [tx_hash for tx_hash in hashes if tx_hash not in answers]
        asked = {next(self._calls.request_ids): tx_hash for tx_hash in missing}
        body = encode_batch(METHOD, {number: {"hash": name} for number, name in asked.items()})
        names = {str(number): name for number, name in asked.items()}
        error, seconds = self._calls.post(
            METHOD, body, lambda body: self._read(body, names, answers)
        )
        if error is not None:
            raise error
        self._size.succeed(sum(name in answers for name in missing), seconds)

    def _read(
        self, body: bytes, asked: Mapping[str, str], answers: Answers
    ) -> SorobanflowError | None:
        """Keep the answers; give the error of a call; None: ask for what is missing, if anything.

        If no call was answered, raise it, since that counts for the breaker.
        """
        members = decode_members(METHOD, body)
        if isinstance(members, Reply):
            if members.error is not None:
                raise self._error(members.error)
            raise RpcProtocolError(f"{METHOD}: a batch was answered with a single result")
        errors = [error for raw in members if (error := self._read_member(raw, asked, answers))]
        unanswered = sum(tx_hash not in answers for tx_hash in asked.values())
        if unanswered == len(asked):
            # One error without an id may be about the whole batch.
            errors = errors or [RpcUnavailableError(f"{METHOD}: a batch has no answers")]
            raise min(errors, key=_urgency)
        self._answered = True
        error = min(errors, key=_urgency, default=None) if unanswered else None
        if isinstance(error, RateLimitedError):  # it counts for the concurrency
            raise error
        is_cut = len(errors) < unanswered
        return None if is_cut and not isinstance(error, RetriableError) else error

    def _read_member(
        self, raw: msgspec.Raw, asked: Mapping[str, str], answers: Answers
    ) -> SorobanflowError | None:
        """Keep a member's answer, or give its error; a malformed member is no answer."""
        reply = decode_member(raw)
        if reply is None:
            return None
        tx_hash = asked.get(str(reply.id))
        if reply.error is not None:
            about_us = tx_hash is not None or reply.id is None
            return self._error(reply.error) if about_us else None
        if tx_hash is None:
            return None
        try:
            status = decode_as(METHOD, reply.result, _statuses)
        except (RpcProtocolError, RpcUnavailableError):
            return None
        try:
            answers[tx_hash] = _answer(tx_hash, status, reply.result)
        except RpcProtocolError as error:
            return error
        return None

    def _error(self, fault: RpcFault | str) -> SorobanflowError:
        return error_of(METHOD, fault, None, self._calls.transport.clean)


def ask_once(calls: Calls, tx_hash: str) -> Timed[Answer]:
    """Make one attempt of a single call; see `RpcClient.get_transaction`."""

    def read(result: msgspec.Raw) -> Answer:
        return _answer(tx_hash, decode_as(METHOD, result, _statuses), result)

    return calls.once(METHOD, {"hash": tx_hash}, read)


def _urgency(error: SorobanflowError) -> int:
    """Order the errors of calls: those that failed for good come after the others."""
    return (not isinstance(error, RateLimitedError)) + (not isinstance(error, RetriableError))


def _answer(tx_hash: str, status: TransactionStatus, result: msgspec.Raw) -> Answer:
    if status.status == "NOT_FOUND":
        return NotFound(status.latest_ledger, status.oldest_ledger)
    (item,) = _transactions.decode([result])
    # A malformed item that names another hash must not be quarantined under this one.
    given = item.stated_hash if isinstance(item, Malformed) else item.tx_hash
    if given not in (tx_hash, None):
        raise RpcProtocolError(f"{METHOD}: asked for {tx_hash}, the node gave {given!r:.70}")
    return item
