"""Many getTransaction calls in one POST, as a JSON-RPC batch.

Invariant: an answer is kept immediately in the caller's dict, so that a fault costs only the
calls that it affects; the next attempt asks only for those.
"""

from collections.abc import MutableMapping, Sequence

import msgspec

from sorobanflow.errors import (
    AnswerTooLargeError,
    RetriableError,
    RpcProtocolError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    SorobanflowError,
)
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
#: HTTP statuses that refuse us, not the batch.
_REFUSES_US = (401, 403)

_statuses = msgspec.json.Decoder(TransactionStatus, strict=False)
_transactions = Items(Transaction)


class BatchRefusedError(Exception):
    """The node does not accept batches."""


class JsonRpcBatches:
    """The batches of a client, and whether its node accepts them; shared by threads."""

    def __init__(self, calls: Calls, size: CallSize) -> None:
        self._calls = calls
        self._size = size
        self._answered = False  # whether the node ever answered with an array
        self.accepted = True  # until it turns out otherwise

    def ask(self, hashes: Sequence[str], answers: Answers) -> None:
        """Ask in a batch; what has no answer afterwards must be asked for in single calls.

        Raises:
            SorobanflowError: a call failed, and single calls would not help.
        """
        try:
            seconds = self._calls.retried(METHOD, lambda: self._ask_once(hashes, answers))
            self._size.succeed(len(hashes), seconds)
        except BatchRefusedError:
            self.accepted = False
        except AnswerTooLargeError:
            self._size.fail(len(hashes))
        except RpcUnavailableError as error:
            if isinstance(error, RpcTimeoutError):
                self._size.fail(len(hashes))
            if self._answered:
                raise
            self._try_single_call(hashes[0], answers, error)
            self.accepted = False

    def _ask_once(self, hashes: Sequence[str], answers: Answers) -> float:
        """Ask in one POST for what has no answer yet; give the seconds that it took.

        After a FatalError, all calls but the failed ones have their answers.
        """
        if not self.accepted:  # another thread has found out
            raise BatchRefusedError
        unanswered = [tx_hash for tx_hash in hashes if tx_hash not in answers]
        asked = {next(self._calls.request_ids): tx_hash for tx_hash in unanswered}
        body = encode_batch(METHOD, {number: {"hash": name} for number, name in asked.items()})
        try:
            error, seconds = self._calls.post(
                METHOD, body, lambda body: self._read(body, asked, answers)
            )
        except RpcRequestError as refused:
            if refused.code in _REFUSES_US:
                raise
            raise BatchRefusedError from refused
        if error is not None:
            raise error
        return seconds

    def _try_single_call(
        self, tx_hash: str, answers: Answers, batch_error: RpcUnavailableError
    ) -> None:
        """Make one single call: some gateways answer batches, and only batches, with HTTP 500."""
        try:
            answers[tx_hash] = ask_once(self._calls, tx_hash)
        except RetriableError:
            raise batch_error from None

    def _read(
        self, body: bytes, asked: dict[int, str], answers: Answers
    ) -> SorobanflowError | None:
        """Keep the answers; give the error of the calls that have none.

        If no call was answered, raise it, since that counts for the breaker.
        """
        members = decode_members(METHOD, body)
        if isinstance(members, Reply):
            if members.error is not None:
                raise self._error(members.error)
            raise RpcProtocolError(f"{METHOD}: a batch was answered with a single result")
        self._answered = True
        errors = [error for raw in members if (error := self._read_member(raw, asked, answers))]
        unanswered = sum(tx_hash not in answers for tx_hash in asked.values())
        if not unanswered:
            return None
        nothing_answered = unanswered == len(asked)
        # One error without an id may be about the whole batch.
        about_all = nothing_answered and errors
        if len(errors) < unanswered and not about_all:
            text = f"{METHOD}: {unanswered} of {len(asked)} calls of a batch have no answer"
            errors.append(RpcUnavailableError(text))
        # Retriable first: a call that failed for good raises after the others have answers.
        error = min(errors, key=lambda error: not isinstance(error, RetriableError))
        if nothing_answered:
            raise error
        return error

    def _read_member(
        self, raw: msgspec.Raw, asked: dict[int, str], answers: Answers
    ) -> SorobanflowError | None:
        """Keep a member's answer, or give its error; a malformed member is no answer."""
        reply = decode_member(raw)
        if reply is None:
            return None
        tx_hash = asked.get(reply.id) if isinstance(reply.id, int) else None
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

    def _error(self, fault: RpcFault) -> SorobanflowError:
        return error_of(METHOD, fault, None, self._calls.transport.clean)


def ask_once(calls: Calls, tx_hash: str) -> Answer:
    """Make one attempt of a single call; see `RpcClient.get_transaction`."""

    def read(result: msgspec.Raw) -> Answer:
        return _answer(tx_hash, decode_as(METHOD, result, _statuses), result)

    return calls.once(METHOD, {"hash": tx_hash}, read).value


def _answer(tx_hash: str, status: TransactionStatus, result: msgspec.Raw) -> Answer:
    if status.status == "NOT_FOUND":
        return NotFound(status.latest_ledger, status.oldest_ledger)
    (item,) = _transactions.decode([result])
    # A malformed item that names another hash must not be quarantined under this one.
    given = item.stated_hash if isinstance(item, Malformed) else item.tx_hash
    if given not in (tx_hash, None):
        raise RpcProtocolError(f"{METHOD}: asked for {tx_hash}, the node gave {given!r:.70}")
    return item
