"""The anchor of a backfill: a ledger's hash that is trusted, for the chain of whole ledgers.

The maker of rows compares it with the ledger that comes; here it is compared with what is stored.
"""

from sqlalchemy import text

from flows.harness.indexer import Indexer
from flows.harness.patience import DATABASE
from sorobanflow.errors import ConfigurationError, LedgerProofError
from sorobanflow.ledgers import Anchor

_STORED = text("SELECT hash FROM ledgers WHERE sequence = :ledger")


def check_stored_anchor(indexer: Indexer, anchor: Anchor | None) -> None:
    """Compare the anchor with its ledger, if that is covered already.

    Raises:
        LedgerProofError: the database holds another hash.
        ConfigurationError: it holds none, as the ledger came as events and transactions.
    """
    if anchor is None or not any(part.holds(anchor.ledger) for part in indexer.coverage().covered):
        return

    def read() -> str | None:
        with indexer.target.engine.begin() as connection:
            return connection.execute(_STORED, {"ledger": anchor.ledger}).scalar()

    stored = indexer.patience.retry(DATABASE, read)
    if stored is None:
        raise ConfigurationError(
            f"the anchor's ledger {anchor.ledger} is stored without a hash, as it came as events "
            "and transactions; index it again with force, or give a later ledger"
        )
    if stored != anchor.hash:
        said = f"the database holds the hash {stored}, the trusted anchor is {anchor.hash}"
        raise LedgerProofError(anchor.ledger, "anchor", said)
