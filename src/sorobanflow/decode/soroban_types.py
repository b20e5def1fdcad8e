"""The types of smart contracts in transactions. Source: Stellar-transaction.x, Stellar-contract.x.

Invariant: authorized invocations nest at most MAX_INVOCATION_DEPTH deep, as in the host.
"""

from sorobanflow.decode.composites import array, struct, union
from sorobanflow.decode.entry_types import ASSET, LEDGER_KEY
from sorobanflow.decode.parts import as_json, as_json_and_xdr
from sorobanflow.decode.reader import HASH, INT64, UINT32, opaque
from sorobanflow.decode.scval import SC_VAL
from sorobanflow.decode.scval_leaves import EXECUTABLE, SYMBOL
from sorobanflow.decode.strkeys import SC_ADDRESS
from sorobanflow.decode.trees import tree

MAX_INVOCATION_DEPTH = 100

_INVOKE_CONTRACT = struct(contract_address=SC_ADDRESS, function_name=SYMBOL, args=array(SC_VAL))
_CONTRACT_ID_PREIMAGE = union(
    "ContractIDPreimage",
    {0: ("address", struct(address=SC_ADDRESS, salt=HASH)), 1: ("asset", ASSET)},
)
_CREATED = {"contract_id_preimage": _CONTRACT_ID_PREIMAGE, "executable": EXECUTABLE}
_CREATE_CONTRACT = struct(**_CREATED)
_CREATE_CONTRACT_V2 = struct(**_CREATED, constructor_args=array(SC_VAL))
_HOST_FUNCTION = union(
    "HostFunction",
    {
        0: ("invoke_contract", _INVOKE_CONTRACT),
        1: ("create_contract", _CREATE_CONTRACT),
        2: ("upload_contract_wasm", opaque(bytes.hex)),
        3: ("create_contract_v2", _CREATE_CONTRACT_V2),
    },
)
_AUTHORIZED_FUNCTION = union(
    "SorobanAuthorizedFunction",
    {
        0: ("contract_fn", _INVOKE_CONTRACT),
        1: ("create_contract_host_fn", _CREATE_CONTRACT),
        2: ("create_contract_v2_host_fn", _CREATE_CONTRACT_V2),
    },
)
_INVOCATION = tree(
    "SorobanAuthorizedInvocation",
    "sub_invocations",
    MAX_INVOCATION_DEPTH,
    function=_AUTHORIZED_FUNCTION,
)
_ADDRESS_CREDENTIALS = struct(
    address=SC_ADDRESS, nonce=INT64, signature_expiration_ledger=UINT32, signature=SC_VAL
)
_DELEGATE = tree(
    "SorobanDelegateSignature",
    "nested_delegates",
    MAX_INVOCATION_DEPTH,
    address=SC_ADDRESS,
    signature=SC_VAL,
)
_CREDENTIALS = union(
    "SorobanCredentials",
    {
        0: ("source_account", None),
        1: ("address", _ADDRESS_CREDENTIALS),
        2: ("address_v2", _ADDRESS_CREDENTIALS),
        3: (
            "address_with_delegates",
            struct(address_credentials=_ADDRESS_CREDENTIALS, delegates=array(_DELEGATE)),
        ),
    },
)
INVOKE_HOST_FUNCTION = struct(
    host_function=_HOST_FUNCTION,
    auth=array(struct(credentials=_CREDENTIALS, root_invocation=_INVOCATION)),
)

_RESOURCES = struct(
    footprint=struct(read_only=array(LEDGER_KEY), read_write=array(LEDGER_KEY)),
    instructions=UINT32,
    disk_read_bytes=UINT32,
    write_bytes=UINT32,
)
_RESOURCES_EXT = struct(archived_soroban_entries=as_json(array(UINT32)))
SOROBAN_DATA = struct(
    ext=union("SorobanTransactionDataExt", {0: ("v0", None), 1: ("v1", _RESOURCES_EXT)}),
    resources=as_json_and_xdr(_RESOURCES),
    resource_fee=INT64,
)
