"""Make the rows of account entries, after `decode.changes`. Source: Stellar-ledger-entries.x."""

from sorobanflow.decode.changes import Change
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import AccountRow
from sorobanflow.rows.values import arm, i64, json_text, text, u32, u64

_REMOVED: dict[str, Json] = dict.fromkeys(AccountRow._fields[1:-6])
_NO_LIABILITIES: Json = {"buying": 0, "selling": 0}
_NO_SPONSORSHIP: Json = {"num_sponsored": 0, "num_sponsoring": 0, "signer_sponsoring_i_ds": []}


def account_row(change: Change, position: ChangePosition) -> AccountRow:
    """Make the row of an account's change; without values if it was removed."""
    return AccountRow(
        account_id=address(change.key["account_id"], "G"),
        **(_REMOVED if change.entry is None else _values(change.entry, change.sponsor)),
        deleted=change.entry is None,
        **position._asdict(),
    )


def _values(entry: Json, sponsor: str | None) -> dict[str, Json]:
    liabilities, sponsorship, last_use = _extensions(entry["ext"])
    inflation = entry["inflation_dest"]
    weights = bytes.fromhex(entry["thresholds"])
    if len(weights) != 4:
        raise DecodeError(f"{len(weights)} thresholds; expected 4")
    return {
        "balance": i64(entry["balance"]),
        "sequence": i64(entry["seq_num"]),
        "subentry_count": u32(entry["num_sub_entries"]),
        "inflation_destination": None if inflation is None else address(inflation, "G"),
        "flags": u32(entry["flags"]),
        "home_domain": text(entry["home_domain"]),
        "master_weight": weights[0],
        "low_threshold": weights[1],
        "medium_threshold": weights[2],
        "high_threshold": weights[3],
        "signers": json_text(_signers(entry["signers"], sponsorship["signer_sponsoring_i_ds"])),
        "buying_liabilities": i64(liabilities["buying"]),
        "selling_liabilities": i64(liabilities["selling"]),
        "sponsored_count": u32(sponsorship["num_sponsored"]),
        "sponsoring_count": u32(sponsorship["num_sponsoring"]),
        "sequence_ledger": None if last_use is None else u32(last_use["seq_ledger"]),
        "sequence_time": None if last_use is None else u64(last_use["seq_time"]),
        "sponsor": None if sponsor is None else address(sponsor, "G"),
    }


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
