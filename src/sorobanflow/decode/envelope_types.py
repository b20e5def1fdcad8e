"""The types of transaction envelopes, as tables of `reader`. Source: Stellar-transaction.x."""

from sorobanflow.decode.composites import array, optional, struct, union
from sorobanflow.decode.operation_types import OPERATION
from sorobanflow.decode.parts import as_json
from sorobanflow.decode.reader import (
    EXTENSION_POINT,
    HASH,
    INT64,
    UINT32,
    UINT64,
    escape,
    fixed,
    opaque,
)
from sorobanflow.decode.soroban_types import SOROBAN_DATA
from sorobanflow.decode.strkeys import MUXED_ACCOUNT, SIGNER_KEY

_TIME_BOUNDS = struct(min_time=UINT64, max_time=UINT64)
_PRECONDITIONS_V2 = struct(
    time_bounds=optional(_TIME_BOUNDS),
    ledger_bounds=optional(struct(min_ledger=UINT32, max_ledger=UINT32)),
    min_seq_num=optional(INT64),
    min_seq_age=UINT64,
    min_seq_ledger_gap=UINT32,
    extra_signers=as_json(array(SIGNER_KEY, 2)),
)
_PRECONDITIONS = union(
    "Preconditions", {0: ("none", None), 1: ("time", _TIME_BOUNDS), 2: ("v2", _PRECONDITIONS_V2)}
)
_MEMO = union(
    "Memo",
    {
        0: ("none", None),
        1: ("text", opaque(escape, 28)),
        2: ("id", UINT64),
        3: ("hash", HASH),
        4: ("return", HASH),
    },
)
_OPERATIONS = array(OPERATION, 100)


SIGNATURES = array(struct(hint=fixed(4), signature=opaque(bytes.hex, 64)), 20)

_V0 = struct(
    source_account_ed25519=HASH,
    fee=UINT32,
    seq_num=INT64,
    time_bounds=optional(_TIME_BOUNDS),
    memo=_MEMO,
    operations=_OPERATIONS,
    ext=EXTENSION_POINT,
)
_V1 = struct(
    source_account=MUXED_ACCOUNT,
    fee=UINT32,
    seq_num=INT64,
    cond=_PRECONDITIONS,
    memo=_MEMO,
    operations=_OPERATIONS,
    ext=union("TransactionExt", {0: ("v0", None), 1: ("v1", SOROBAN_DATA)}),
)
_ENVELOPE_V1 = struct(tx=_V1, signatures=SIGNATURES)
_FEE_BUMP = struct(
    fee_source=MUXED_ACCOUNT,
    fee=INT64,
    inner_tx=union("FeeBumpTransactionInnerTx", {2: ("tx", _ENVELOPE_V1)}),
    ext=EXTENSION_POINT,
)
#: By EnvelopeType: the transaction in an envelope, before its signatures.
SIGNED = {0: _V0, 2: _V1, 5: _FEE_BUMP}
TRANSACTION_ENVELOPE = union(
    "TransactionEnvelope",
    {
        0: ("tx_v0", struct(tx=_V0, signatures=SIGNATURES)),
        2: ("tx", _ENVELOPE_V1),
        5: ("tx_fee_bump", struct(tx=_FEE_BUMP, signatures=SIGNATURES)),
    },
)
