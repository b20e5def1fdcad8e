"""Make the row of a transaction; the status that the node states and the result code agree."""

from datetime import datetime
from typing import NamedTuple, TypeAlias

from sorobanflow.decode.envelopes import Arm, Envelope, Signatures
from sorobanflow.decode.reader import Json
from sorobanflow.decode.results import Result
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.fees import fee_columns
from sorobanflow.rows.values import hash_bytes, json_text, unix_time
from sorobanflow.sources.items import Transaction

MAX_SIGNATURE = 64  # bytes


class TransactionRow(NamedTuple):
    """A row of `transactions`; fees in stroops, JSON as text, signatures packed.

    None is what a rule says: the fee account is the source, the result tx_success, no memo; all of
    a classic transaction's fee is for inclusion.
    """

    closed_at: datetime
    fee_bid: int
    fee_charged: int
    sequence: int
    ledger: int
    application_order: int
    operation_count: int
    successful: bool
    fee_bump: bool
    hash: bytes
    signatures: bytes
    source_account: str
    inclusion_fee_charged: int | None = None
    soroban_resource_fee: int | None = None
    non_refundable_fee_charged: int | None = None
    refundable_fee_charged: int | None = None
    rent_fee_charged: int | None = None
    resource_fee_refund: int | None = None
    result_code: str | None = None
    return_value: str | None = None
    source_muxed_id: int | None = None
    fee_account: str | None = None
    fee_account_muxed_id: int | None = None
    memo_type: str | None = None
    memo: str | None = None
    min_time: int | None = None
    max_time: int | None = None
    min_ledger: int | None = None
    max_ledger: int | None = None
    min_sequence: int | None = None
    min_sequence_age: int | None = None
    min_sequence_ledger_gap: int | None = None
    extra_signers: str | None = None
    inner_hash: bytes | None = None
    inner_fee_bid: int | None = None
    inner_result_code: str | None = None
    inner_signatures: bytes | None = None
    soroban_resources: str | None = None
    soroban_archived_entries: str | None = None

    @property
    def payer(self) -> str:
        """The account that pays the fee (G…)."""
        return self.fee_account or self.source_account


def transaction_row(transaction: Transaction, decoded: DecodedTransaction) -> TransactionRow:
    """Make the row of a transaction; DecodeError if its status or a field cannot be right."""
    envelope, result, meta = decoded
    source, payer = envelope.source, envelope.fee_source
    inner_signatures = envelope.inner_signatures
    return TransactionRow(
        unix_time(transaction.created_at),
        envelope.fee_bid,
        result.fee_charged,
        envelope.sequence,
        transaction.ledger,
        transaction.application_order,
        len(envelope.operations),
        _successful(transaction, result),
        envelope.fee_bump,
        hash_bytes(transaction.tx_hash),
        _packed(envelope.signatures),
        source.address,
        *fee_columns(envelope, result, meta),
        None if result.code == "tx_success" else result.code,
        _return_value(envelope, result, meta.return_value),
        source.muxed_id,
        None if payer.address == source.address else payer.address,
        payer.muxed_id,
        *_memo(envelope.memo),
        *_preconditions(envelope.preconditions),
        _extra_signers(envelope.preconditions),
        result.inner_hash,
        envelope.inner_fee_bid,
        result.inner_code,
        None if inner_signatures is None else _packed(inner_signatures),
        *_resources(envelope),
    )


def _successful(transaction: Transaction, result: Result) -> bool:
    if transaction.status == ("SUCCESS" if result.successful else "FAILED"):
        return result.successful
    raise DecodeError(f"status {transaction.status!r:.80} does not agree with {result.code}")


def _packed(signatures: Signatures) -> bytes:
    """Write signatures in 69 bytes each: hint, length, and the signature with zeros behind it."""
    return b"".join(
        [
            hint + len(signature).to_bytes() + signature.ljust(MAX_SIGNATURE, b"\0")
            for hint, signature in signatures
        ]
    )


_N: TypeAlias = int | None
_NO_PRECONDITIONS = (None,) * 7


def _memo(memo: Arm) -> tuple[str | None, str | None]:
    kind, content = memo
    if kind == "none":
        return None, None
    return kind, content.hex() if type(content) is bytes else str(content)


def _preconditions(preconditions: Arm) -> tuple[_N, _N, _N, _N, _N, _N, _N]:
    """Give the columns min_time to min_sequence_ledger_gap; a stated 0 means no bound."""
    kind, stated = preconditions
    if kind == "none":
        return _NO_PRECONDITIONS
    if kind == "time":
        return *stated, *_NO_PRECONDITIONS[2:]
    times, ledgers, sequence, age, gap, _ = stated
    return *(times or (None, None)), *(ledgers or (None, None)), sequence, age, gap


def _extra_signers(preconditions: Arm) -> str | None:
    kind, stated = preconditions
    return stated[-1] if kind == "v2" else None


def _return_value(envelope: Envelope, result: Result, value: Json) -> str | None:
    """Write what a contract call returned; metas state a value of other transactions too."""
    kinds = [kind for _, (kind, _) in envelope.operations]
    is_call = result.successful and kinds == ["invoke_host_function"]
    return json_text(value) if is_call and value is not None else None


def _resources(envelope: Envelope) -> tuple[str | None, str | None]:
    """Give the columns soroban_resources and soroban_archived_entries."""
    if envelope.soroban is None:
        return None, None
    (_, extension), (resources, _), _ = envelope.soroban
    return resources, None if extension is None else extension[0]
