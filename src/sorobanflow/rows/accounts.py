"""Make the rows of account entries, after `decode.entries`. Source: Stellar-ledger-entries.x."""

from sorobanflow.decode.entries import Entry
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import AccountRow
from sorobanflow.rows.values import arm, i64, json_text, text, u32, u64

_REMOVED: Json = (None,) * 18
_NO_LIABILITIES: Json = {"buying": 0, "selling": 0}
_NO_SPONSORSHIP: Json = {"num_sponsored": 0, "num_sponsoring": 0, "signer_sponsoring_i_ds": []}


def account_row(account: Entry, position: ChangePosition) -> AccountRow:
    """Make the row of an account; without values if it was removed."""
    values = _REMOVED if account.entry is None else _values(account.entry, account.sponsor)
    end: Json = account.entry is None, *position
    return AccountRow(address(account.key["account_id"], "G"), *values, *end)


def _values(entry: Json, sponsor: str | None) -> Json:
    """Give the columns from `balance` to `sponsor`."""
    liabilities, sponsorship, last_use = _extensions(entry["ext"])
    inflation = entry["inflation_dest"]
    weights = bytes.fromhex(entry["thresholds"])
    if len(weights) != 4:
        raise DecodeError(f"{len(weights)} thresholds; expected 4")
    return (
        i64(entry["balance"]),
        i64(entry["seq_num"]),
        u32(entry["num_sub_entries"]),
        None if inflation is None else address(inflation, "G"),
        u32(entry["flags"]),
        text(entry["home_domain"]),
        *weights,
        json_text(_signers(entry["signers"], sponsorship["signer_sponsoring_i_ds"])),
        i64(liabilities["buying"]),
        i64(liabilities["selling"]),
        u32(sponsorship["num_sponsored"]),
        u32(sponsorship["num_sponsoring"]),
        None if last_use is None else u32(last_use["seq_ledger"]),
        None if last_use is None else u64(last_use["seq_time"]),
        None if sponsor is None else address(sponsor, "G"),
    )


def _extensions(ext: Json) -> tuple[Json, Json, Json]:
    """Return liabilities, sponsorship and last use; zero or None if an older form lacks them."""
    _, v1 = arm(ext)
    if v1 is None:
        return _NO_LIABILITIES, _NO_SPONSORSHIP, None
    _, v2 = arm(v1["ext"])
    if v2 is None:
        return v1["liabilities"], _NO_SPONSORSHIP, None
    _, v3 = arm(v2["ext"])
    return v1["liabilities"], v2, v3


def _signers(signers: Json, sponsors: Json) -> list[Json]:
    return [
        {"key": text(signer["key"]), "weight": u32(signer["weight"]), "sponsor": sponsor}
        for signer, sponsor in zip(signers, sponsors or [None] * len(signers), strict=True)
    ]
