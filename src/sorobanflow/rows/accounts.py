"""Make the rows of account entries, after `decode.entries`. Source: Stellar-ledger-entries.x."""

from sorobanflow.decode.entries import EntryParts
from sorobanflow.decode.straight import Parts
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import AccountRow
from sorobanflow.rows.values import json_text

_NOTHING: Parts = (None,) * 17  # the values of a removed account
_NO_LIABILITIES = 0, 0
_NO_SPONSORSHIP: Parts = 0, 0, ()


def account_row(account: EntryParts, position: ChangePosition) -> AccountRow:
    """Make the row of an account; without values if it was removed.

    Raises:
        ValueError: it has sponsors of signers, but not one for each.
    """
    (account_id,), values = account
    end: Parts = account.sponsor, values is None, *position
    if values is None:
        return AccountRow(account_id, *_NOTHING, *end)
    balance, sequence, subentries, inflation, flags, domain, weights, signers, ext, _ = values
    (buying, selling), (sponsored, sponsoring, sponsors), (ledger, time) = _extensions(ext)
    master, low, medium, high = weights
    return AccountRow(
        *(account_id, balance, sequence, subentries, inflation, flags, domain),
        *(master, low, medium, high),
        json_text(_signers(signers, sponsors)) if signers or sponsors else "[]",
        *(buying, selling, sponsored, sponsoring, ledger, time),
        *end,
    )


def _extensions(ext: Parts) -> tuple[Parts, Parts, Parts]:
    """Return liabilities, sponsorship and last use; zero or None if an older form lacks them."""
    _, v1 = ext
    if v1 is None:
        return _NO_LIABILITIES, _NO_SPONSORSHIP, (None, None)
    liabilities, (_, v2) = v1
    if v2 is None:
        return liabilities, _NO_SPONSORSHIP, (None, None)
    *sponsorship, (_, v3) = v2
    return liabilities, sponsorship, (None, None) if v3 is None else v3[1:]


def _signers(signers: Parts, sponsors: Parts) -> list[Parts]:
    return [
        {"key": key, "weight": weight, "sponsor": sponsor}
        for (key, weight), sponsor in zip(signers, sponsors or [None] * len(signers), strict=True)
    ]
