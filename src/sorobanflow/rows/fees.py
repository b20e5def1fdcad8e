"""Make the columns of a transaction's fees, in stroops.

A Soroban transaction pays its whole bid for resources at first, and an inclusion fee; what it did
not use is refunded. So the fee charged is inclusion fee + resource fee - refund. Envelope, result
and meta tell the parts if the network states them (SorobanTransactionMetaExtV1, fee events), or
refunds in the meta's changes, as before protocol 23; a whole ledger always does. What cannot be
told, or cannot be true, is null. Source: Stellar-ledger.x, CAP-67, stellar-core's issue 4188.
"""

from typing import TypeAlias

from sorobanflow.decode.changes import Meta
from sorobanflow.decode.envelopes import Envelope
from sorobanflow.decode.results import Result
from sorobanflow.rows.values import arm

Fees: TypeAlias = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
_CLASSIC: Fees = (None,) * 6


def fee_columns(envelope: Envelope, result: Result, meta: Meta) -> Fees:
    """Give the columns inclusion_fee_charged to resource_fee_refund."""
    if envelope.soroban is None:
        return _CLASSIC
    *_, resource_fee = envelope.soroban
    _, fees = arm("v0" if meta.soroban_fees is None else meta.soroban_fees)
    if fees is None:
        non_refundable = refundable = rent = None
        refund = _refund(meta)
    else:
        non_refundable, refundable, rent = [int(fees[field]) for field in _STATED]
        refund = resource_fee - non_refundable - refundable
    refund = possible(refund, resource_fee)
    inclusion = _inclusion(result.fee_charged - resource_fee, refund, envelope, meta)
    return inclusion, resource_fee, non_refundable, refundable, rent, refund


_STATED = (
    "total_non_refundable_resource_fee_charged",
    "total_refundable_resource_fee_charged",
    "rent_fee_charged",
)


def _refund(meta: Meta) -> int | None:
    """Add up refunds; since protocol 23 only fee events tell them, and not all metas have these."""
    if meta.refund_after is None or not (meta.refund_after or meta.states_refunds):
        return None
    return meta.refund_after + sum(refund.stroops or 0 for refund in meta.refunds)


def _inclusion(rest: int, refund: int | None, envelope: Envelope, meta: Meta) -> int | None:
    """Add the refund to what the charge is above the resource fee.

    In protocol 20 the charge of a fee bump is as if nothing was refunded. Such a charge is above
    the resource fee; one below it is of a later protocol, as is a refund after all transactions.
    """
    if refund is None or (envelope.fee_bump and refund and rest >= 0 and not meta.refunds):
        return None
    return possible(rest + refund)


def possible(stroops: int | None, limit: int = 2**63 - 1) -> int | None:
    """Give an amount that was computed if it is one of 0 to the limit, else None."""
    return stroops if stroops is not None and 0 <= stroops <= limit else None
