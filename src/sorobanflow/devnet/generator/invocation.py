"""Make the steps that run host functions, with results and authorizations."""

from collections.abc import Sequence

from stellar_sdk import InvokeHostFunction, scval, xdr

from sorobanflow.devnet.generator.contract_events import address, symbol
from sorobanflow.devnet.generator.draft import Draw, Step
from sorobanflow.devnet.generator.entries import sc_address

_RESULT = xdr.InvokeHostFunctionResultCode
_FN = xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN
_SIGNATURE_LIFETIME = 100  # ledgers


def call_arguments(
    contract_id: str, function: str, arguments: Sequence[xdr.SCVal]
) -> xdr.InvokeContractArgs:
    """Make the arguments of a contract call."""
    name = xdr.SCSymbol(function.encode())
    return xdr.InvokeContractArgs(sc_address(contract_id), name, list(arguments))


def call(arguments: xdr.InvokeContractArgs) -> xdr.HostFunction:
    """Make the host function that calls a contract."""
    kind = xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT
    return xdr.HostFunction(kind, invoke_contract=arguments)


def host_step(
    function: xdr.HostFunction,
    events: Sequence[xdr.ContractEvent] = (),
    changes: Sequence[xdr.LedgerEntryChange] = (),
    auth: Sequence[xdr.SorobanAuthorizationEntry] = (),
) -> Step:
    """Make the step that runs a host function; `build` knows the hash of its success."""
    trapped = xdr.InvokeHostFunctionResult(_RESULT.INVOKE_HOST_FUNCTION_TRAPPED)
    return Step(
        InvokeHostFunction(function, auth),
        host_function_success(bytes(32)),
        _result(trapped),
        tuple(events),
        tuple(changes),
    )


def host_function_success(made_hash: bytes) -> xdr.OperationResultTr:
    """Make the result of a host function that succeeded.

    Args:
        made_hash: SHA-256 of the InvokeHostFunctionSuccessPreImage.
    """
    kind = _RESULT.INVOKE_HOST_FUNCTION_SUCCESS
    return _result(xdr.InvokeHostFunctionResult(kind, xdr.Hash(made_hash)))


def source_auth(root: xdr.InvokeContractArgs) -> xdr.SorobanAuthorizationEntry:
    """Make the authorization by the transaction's own signature."""
    credentials = xdr.SorobanCredentials(
        xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
    )
    return xdr.SorobanAuthorizationEntry(credentials, _authorized(root, ()))


def address_auth(
    draw: Draw,
    signer: str,
    root: xdr.InvokeContractArgs,
    inner: Sequence[xdr.InvokeContractArgs],
) -> xdr.SorobanAuthorizationEntry:
    """Make another account's authorization of a call and of the calls within it.

    The signature has the right form but is not valid; the devnet does not check it.
    """
    fields = {
        symbol("public_key"): scval.to_bytes(draw.random.randbytes(32)),
        symbol("signature"): scval.to_bytes(draw.random.randbytes(64)),
    }
    credentials = xdr.SorobanAddressCredentials(
        address(signer).address,  # type: ignore[arg-type]
        xdr.Int64(draw.random.randrange(-(2**63), 2**63)),
        xdr.Uint32(draw.ledger + _SIGNATURE_LIFETIME),
        scval.to_vec([scval.to_map(fields)]),
    )
    return xdr.SorobanAuthorizationEntry(
        xdr.SorobanCredentials(
            xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_ADDRESS, address=credentials
        ),
        _authorized(root, inner),
    )


def _authorized(
    root: xdr.InvokeContractArgs, inner: Sequence[xdr.InvokeContractArgs]
) -> xdr.SorobanAuthorizedInvocation:
    function = xdr.SorobanAuthorizedFunction(_FN, contract_fn=root)
    return xdr.SorobanAuthorizedInvocation(function, [_authorized(each, ()) for each in inner])


def _result(result: xdr.InvokeHostFunctionResult) -> xdr.OperationResultTr:
    kind = xdr.OperationType.INVOKE_HOST_FUNCTION
    return xdr.OperationResultTr(kind, invoke_host_function_result=result)
