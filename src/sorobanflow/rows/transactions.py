"""Make the row of a transaction; the status that the node states and the result code agree."""

from datetime import datetime
from typing import NamedTuple

from sorobanflow.decode.reader import Json
from sorobanflow.decode.transactions import DecodedTransaction
from sorobanflow.errors import DecodeError
from sorobanflow.rows.envelopes import open_envelope
from sorobanflow.rows.fees import fee_columns
from sorobanflow.rows.results import Result, open_result
from sorobanflow.rows.values import (
    arm,
    hash_bytes,
    hash_hex,
    i64,
    json_text,
    reading,
    text,
    u32,
    u64,
    unix_time,
)
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
    """Make the row of a transaction; DecodeError if a field does not hold its type."""
    with reading(f"transaction {transaction.tx_hash[:64]!r}"):
        envelope = open_envelope(decoded.envelope)
        result = open_result(decoded.result)
        memo_type, memo = _memo(envelope.transaction["memo"])
        inner_signatures = envelope.inner_signatures
        source, payer = envelope.source, envelope.fee_source
        return TransactionRow(
            closed_at=unix_time(transaction.created_at),
            fee_bid=envelope.fee_bid,
            sequence=i64(envelope.transaction["seq_num"]),
            ledger=transaction.ledger,
            application_order=transaction.application_order,
            operation_count=len(envelope.transaction["operations"]),
            successful=_successful(transaction, result),
            fee_bump=envelope.fee_bump,
            hash=hash_bytes(transaction.tx_hash),
            signatures=_packed(envelope.signatures),
            source_account=source.address,
            result_code=None if result.code == "tx_success" else result.code,
            return_value=_return_value(envelope.transaction, result, decoded.meta.return_value),
            source_muxed_id=source.muxed_id,
            fee_account=None if payer.address == source.address else payer.address,
            fee_account_muxed_id=payer.muxed_id,
            memo_type=memo_type,
            memo=memo,
            **_preconditions(envelope.transaction["cond"]),
            inner_hash=result.inner_hash,
            inner_fee_bid=envelope.inner_fee_bid,
            inner_result_code=result.inner_code,
            inner_signatures=None if inner_signatures is None else _packed(inner_signatures),
            **_soroban_columns(envelope.transaction["ext"]),
            **fee_columns(envelope, result, decoded.meta),
        )


def _successful(transaction: Transaction, result: Result) -> bool:
    if transaction.status == ("SUCCESS" if result.successful else "FAILED"):
        return result.successful
    raise DecodeError(f"status {transaction.status!r:.80} does not agree with {result.code}")


def _packed(signatures: Json) -> bytes:
    """Write signatures in 69 bytes each: hint, length, and the signature with zeros behind it."""
    parts = [(bytes.fromhex(one["hint"]), bytes.fromhex(one["signature"])) for one in signatures]
    if any(len(hint) != 4 or len(signature) > MAX_SIGNATURE for hint, signature in parts):
        raise DecodeError("a signature has a hint of other than 4 bytes, or more than 64 bytes")
    return b"".join(
        hint + len(signature).to_bytes() + signature.ljust(MAX_SIGNATURE, b"\0")
        for hint, signature in parts
    )


def _memo(memo: Json) -> tuple[str | None, str | None]:
    kind, content = arm(memo)
    if kind == "none":
        return None, None
    if kind == "text":
        return kind, text(content)
    if kind == "id":
        return kind, str(u64(content))
    if kind in ("hash", "return"):
        return kind, hash_hex(content)
    raise DecodeError(f"unknown memo: {kind!r:.80}")


def _preconditions(condition: Json) -> dict[str, Json]:
    """Read the preconditions that are stated; a stated 0 means no bound."""
    kind, body = arm(condition)
    if kind == "none":
        return {}
    if kind == "time":
        return _time_bounds(body)
    if kind != "v2":
        raise DecodeError(f"unknown preconditions: {kind!r:.80}; expected none, time or v2")
    ledgers, sequence = body["ledger_bounds"], body["min_seq_num"]
    return {
        **_time_bounds(body["time_bounds"]),
        "min_ledger": None if ledgers is None else u32(ledgers["min_ledger"]),
        "max_ledger": None if ledgers is None else u32(ledgers["max_ledger"]),
        "min_sequence": None if sequence is None else i64(sequence),
        "min_sequence_age": u64(body["min_seq_age"]),
        "min_sequence_ledger_gap": u32(body["min_seq_ledger_gap"]),
        "extra_signers": json_text(body["extra_signers"]),
    }


def _time_bounds(bounds: Json) -> dict[str, Json]:
    if bounds is None:
        return {}
    return {"min_time": u64(bounds["min_time"]), "max_time": u64(bounds["max_time"])}


def _return_value(transaction: Json, result: Result, value: Json) -> str | None:
    """Write what a contract call returned; metas state a value of other transactions too."""
    if value is None or not result.successful:
        return None
    kind, _ = arm(transaction["operations"][0]["body"])
    return json_text(value) if kind == "invoke_host_function" else None


def _soroban_columns(extension: Json) -> dict[str, Json]:
    _, data = arm(extension)
    if data is None:
        return {}
    _, more = arm(data["ext"])
    return {
        "soroban_resource_fee": i64(data["resource_fee"]),
        "soroban_resources": json_text(data["resources"]),
        "soroban_archived_entries": more and json_text(more["archived_soroban_entries"]),
    }
