"""The types around the transactions of a ledger, as tables of `reader`.

Invariant: quorum sets nest at most MAX_QUORUM_DEPTH deep; the network allows 4.
Source: Stellar-ledger.x, Stellar-SCP.x.
"""

from sorobanflow.decode.composites import array, optional, struct, union
from sorobanflow.decode.reader import (
    EXTENSION_POINT,
    HASH,
    INT64,
    UINT32,
    UINT64,
    fixed,
    opaque,
    plain,
)
from sorobanflow.decode.strkeys import ACCOUNT_ID
from sorobanflow.decode.trees import tree

MAX_QUORUM_DEPTH = 100

_SIGNATURE = opaque(bytes.hex, 64)
_VALUE_SIGNATURE = struct(node_id=ACCOUNT_ID, signature=_SIGNATURE)
_PROPOSED = struct(
    tx_set_hash=HASH,
    previous_ledger_hash=HASH,
    previous_ledger_version=UINT32,
    lc_value_signature=_VALUE_SIGNATURE,
)
_STELLAR_VALUE = struct(
    tx_set_hash=HASH,
    close_time=plain("Q"),
    upgrades=array(opaque(bytes.hex, 128), 6),
    ext=union(
        "StellarValueExt",
        {0: ("basic", None), 1: ("signed", _VALUE_SIGNATURE), 2: ("empty_tx_set", _PROPOSED)},
    ),
)
_HEADER_V1 = struct(flags=UINT32, ext=EXTENSION_POINT)
#: Its numbers are ints, also those that SEP-51 writes as text.
LEDGER_HEADER = struct(
    ledger_version=UINT32,
    previous_ledger_hash=HASH,
    scp_value=_STELLAR_VALUE,
    tx_set_result_hash=HASH,
    bucket_list_hash=HASH,
    ledger_seq=UINT32,
    total_coins=plain("q"),
    fee_pool=plain("q"),
    inflation_seq=UINT32,
    id_pool=UINT64,
    base_fee=UINT32,
    base_reserve=UINT32,
    max_tx_set_size=UINT32,
    skip_list=fixed(4 * 32),
    ext=union("LedgerHeaderExt", {0: ("v0", None), 1: ("v1", _HEADER_V1)}),
)
_FEE_WRITE = struct(ext=EXTENSION_POINT, soroban_fee_write1_kb=INT64)
CLOSE_META_EXT = union("LedgerCloseMetaExt", {0: ("v0", None), 1: ("v1", _FEE_WRITE)})

_CONFIG_KEY = struct(contract_id=HASH, content_hash=HASH)
LEDGER_UPGRADE = union(
    "LedgerUpgrade",
    {
        1: ("version", UINT32),
        2: ("base_fee", UINT32),
        3: ("max_tx_set_size", UINT32),
        4: ("base_reserve", UINT32),
        5: ("flags", UINT32),
        6: ("config", _CONFIG_KEY),
        7: ("max_soroban_tx_set_size", UINT32),
    },
)

_VALUE = opaque(bytes.hex)
_BALLOT = struct(counter=UINT32, value=_VALUE)
_PREPARE = struct(
    quorum_set_hash=HASH,
    ballot=_BALLOT,
    prepared=optional(_BALLOT),
    prepared_prime=optional(_BALLOT),
    n_c=UINT32,
    n_h=UINT32,
)
_CONFIRM = struct(
    ballot=_BALLOT, n_prepared=UINT32, n_commit=UINT32, n_h=UINT32, quorum_set_hash=HASH
)
_EXTERNALIZE = struct(commit=_BALLOT, n_h=UINT32, commit_quorum_set_hash=HASH)
_NOMINATE = struct(quorum_set_hash=HASH, votes=array(_VALUE), accepted=array(_VALUE))
_PLEDGES = union(
    "SCPStatementPledges",
    {
        0: ("prepare", _PREPARE),
        1: ("confirm", _CONFIRM),
        2: ("externalize", _EXTERNALIZE),
        3: ("nominate", _NOMINATE),
    },
)
_STATEMENT = struct(node_id=ACCOUNT_ID, slot_index=UINT64, pledges=_PLEDGES)
_MESSAGES = array(struct(statement=_STATEMENT, signature=_SIGNATURE))
_QUORUM_SET = tree(
    "SCPQuorumSet",
    "inner_sets",
    MAX_QUORUM_DEPTH,
    threshold=UINT32,
    validators=array(ACCOUNT_ID),
)
_SCP_V0 = struct(
    quorum_sets=array(_QUORUM_SET),
    ledger_messages=struct(ledger_seq=UINT32, messages=_MESSAGES),
)
SCP_INFO = array(union("SCPHistoryEntry", {0: ("v0", _SCP_V0)}))
