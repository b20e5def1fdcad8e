"""Refuse a batch with too many items that cannot be decoded, before anything is written.

With a bug or a new protocol, quarantine would take the whole chain and look like progress.
"""

import re
from collections import Counter

from sorobanflow.errors import MassFailureError
from sorobanflow.rows.batch_rows import BatchRows

#: Bad items of one kind that a batch may have in any case, and as a share of that kind.
TOLERATED = 3
TOLERATED_SHARE = 0.1

_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|\b[0-9a-fA-F]{8,}\b|\b[A-Z2-7]{20,}\b|\d+")


def refuse_mass_failure(rows: BatchRows) -> None:
    """Raise MassFailureError if too many items of one kind are in quarantine.

    Too many are more than both TOLERATED and TOLERATED_SHARE; the most common error is named.
    """
    sound = {
        "transaction": len(rows.transactions),
        "event": len(rows.events),
        "token_operation": len(rows.token_operations),
    }
    for kind, count in sound.items():
        bad = [row for row in rows.quarantine if row.kind == kind]
        if len(bad) > max(TOLERATED, TOLERATED_SHARE * (count + len(bad))):
            shapes = Counter(shape_of(row.error_class, row.error) for row in bad)
            shape, times = shapes.most_common(1)[0]
            raise MassFailureError(
                f"{len(bad)} of {count + len(bad)} {kind}s of ledgers {rows.ledgers} cannot be "
                f"decoded, {times} of them with: {shape} (such as {bad[0].key}); nothing of these "
                "ledgers was written. The network may have a newer protocol than this version of "
                "sorobanflow supports, or the node's answers are wrong: update, or use another node"
            )


def shape_of(error_class: str, error: str) -> str:
    """Return an error without its particulars: names in quotes, hashes, addresses, numbers."""
    return f"{error_class}: {_PARTICULARS.sub('…', error)}"
