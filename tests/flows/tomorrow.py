"""Transactions of a version that nobody knows yet: what cannot be decoded."""

from base64 import b64decode, b64encode

from sorobanflow.devnet.supply import Ledger, Transaction


def of_tomorrow(ledger: Ledger, count: int | None = None) -> Ledger:
    """The same ledger, with results that no decoder takes in its first transactions, or all."""
    known = () if count is None else ledger.transactions[count:]
    bad = map(_of_tomorrow, ledger.transactions[:count])
    return Ledger(ledger.sequence, ledger.close_time, ledger.protocol, (*bad, *known))


def _of_tomorrow(transaction: Transaction) -> Transaction:
    result = b64decode(transaction.result_xdr)
    return Transaction(
        transaction.hash,
        transaction.application_order,
        transaction.successful,
        transaction.fee_bump,
        transaction.envelope_xdr,
        b64encode(result[:-4] + (9).to_bytes(4, "big")).decode(),
        transaction.result_meta_xdr,
    )
