"""Make the rows of an account: its entry and its native balance.

After `decode.changes`. A removed account has a row without values. The extensions of an
AccountEntry are nested. Source: Stellar-ledger-entries.x.
"""

from sorobanflow.decode.changes import Change
from sorobanflow.decode.reader import Json
from sorobanflow.errors import DecodeError
from sorobanflow.rows.addresses import address
from sorobanflow.rows.change_position import ChangePosition
from sorobanflow.rows.state_rows import AccountRow
from sorobanflow.rows.values import arm, i64, json_text, text, u32, u64

_REMOVED: dict[str, Json] = {
    name: None for name in AccountRow._fields if name not in ("account_id", *ChangePosition._fields)
} | {"deleted": True}


def account_row(change: Change, position: ChangePosition) -> AccountRow:
    """Make the row of an account's change."""
    values = _REMOVED if change.entry is None else _values(change.entry, change.sponsor)
    return AccountRow(
        account_id=address(change.key["account_id"], "G"),
        **values,
        **position._asdict(),
    )


def _values(entry: Json, sponsor: str | None) -> dict[str, Json]:
    liabilities, v2, v3 = _extensions(entry["ext"])
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
        "signers": json_text(_signers(entry["signers"], v2)),
        "buying_liabilities": i64(liabilities["buying"]),
        "selling_liabilities": i64(liabilities["selling"]),
        "sponsored_count": u32(v2["num_sponsored"]),
        "sponsoring_count": u32(v2["num_sponsoring"]),
        "sequence_ledger": None if v3 is None else u32(v3["seq_ledger"]),
        "sequence_time": None if v3 is None else u64(v3["seq_time"]),
        "sponsor": None if sponsor is None else address(sponsor, "G"),
        "deleted": False,
    }


def _extensions(ext: Json) -> tuple[Json, Json, Json]:
    """Return liabilities, sponsorship and last use; zero or None if an older form lacks them."""
    liabilities: Json = {"buying": 0, "selling": 0}
    v2: Json = {"num_sponsored": 0, "num_sponsoring": 0, "signer_sponsoring_i_ds": []}
    _, v1 = arm(ext)
    if v1 is None:
        return liabilities, v2, None
    _, inner = arm(v1["ext"])
    if inner is None:
        return v1["liabilities"], v2, None
    _, v3 = arm(inner["ext"])
    return v1["liabilities"], inner, v3


def _signers(signers: Json, v2: Json) -> list[Json]:
    sponsors = v2["signer_sponsoring_i_ds"] or [None] * len(signers)
    return [
        {"key": text(signer["key"]), "weight": u32(signer["weight"]), "sponsor": sponsor}
        for signer, sponsor in zip(signers, sponsors, strict=True)
    ]
