"""Tell a few bad items from a decoder that does not know the chain any more.

Follows `batch`, before anything is written. Quarantine is for the odd item; a
bug of ours, or a new protocol, would put the chain there ledger by ledger and
look like progress. Invariant: a batch that passes has few bad items, of each kind.
"""

import re
from collections import Counter

from sorobanflow.errors import MassFailureError
from sorobanflow.rows.batch_rows import BatchRows

#: Bad items of one kind that a batch may hold in any case, and as a share of that kind.
TOLERATED = 3
TOLERATED_SHARE = 0.1

_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|\b[0-9a-fA-F]{8,}\b|\b[A-Z2-7]{20,}\b|\d+")


def refuse_mass_failure(batch: BatchRows) -> None:
    """Refuse a batch most of whose trouble cannot be an accident.

    Raises:
        MassFailureError: more than TOLERATED and TOLERATED_SHARE of the
            transactions, the events or the token operations are in quarantine;
            names the commonest shape of the failures.
    """
    sound = {
        "transaction": len(batch.transactions),
        "event": len(batch.events),
        "token_operation": len(batch.token_operations),
    }
    for kind, count in sound.items():
        bad = [row for row in batch.quarantine if row.kind == kind]
        if len(bad) > max(TOLERATED, TOLERATED_SHARE * (count + len(bad))):
            shapes = Counter(shape_of(row.error_class, row.error) for row in bad)
            shape, times = shapes.most_common(1)[0]
            raise MassFailureError(
                f"{len(bad)} of {count + len(bad)} {kind}s of ledgers {batch.ledgers} cannot be "
                f"decoded, {times} of them with: {shape} (such as {bad[0].key}); nothing of these "
                "ledgers was written. The node's network may have a newer protocol than this "
                "version of sorobanflow knows, or the node answers wrongly: update, or ask another"
            )


def shape_of(error_class: str, error: str) -> str:
    """Give an error without its particulars: names in quotes, hashes, addresses, numbers."""
    return f"{error_class}: {_PARTICULARS.sub('…', error)}"
