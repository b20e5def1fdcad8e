"""Make the columns of a transaction's fees, in stroops.

Invariant: what they say follows from envelope, result and meta alone, so it is the same whatever
source gave them; null where these cannot tell. Source: Stellar-ledger.x, CAP-46-07, CAP-67.
"""

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.reader import Json
from sorobanflow.rows.envelopes import Envelope
from sorobanflow.rows.results import Result
from sorobanflow.rows.values import arm, i64


def fee_columns(envelope: Envelope, result: Result, meta: Meta) -> dict[str, Json]:
    """Return the columns of `transactions` that say what was charged."""
    _, data = arm(envelope.transaction["ext"])
    if data is None:
        charged = result.fee_charged
        return {"fee_charged": charged, "inclusion_fee_charged": charged}
    _, fees = arm("v0" if meta.soroban_fees is None else meta.soroban_fees)
    non_refundable = _fee(fees, "total_non_refundable_resource_fee_charged")
    refundable = _fee(fees, "total_refundable_resource_fee_charged")
    refund = None
    if non_refundable is not None and refundable is not None:
        refund = i64(data["resource_fee"]) - non_refundable - refundable
    return {
        "fee_charged": result.fee_charged,
        "inclusion_fee_charged": None
        if refund is None
        else result.fee_charged - i64(data["resource_fee"]) + refund,
        "non_refundable_fee_charged": non_refundable,
        "refundable_fee_charged": refundable,
        "rent_fee_charged": _fee(fees, "rent_fee_charged"),
        "resource_fee_refund": refund,
    }


def _fee(fees: Json, field: str) -> int | None:
    return None if fees is None else i64(fees[field])
