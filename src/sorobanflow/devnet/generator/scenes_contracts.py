"""Transactions that upload, create, upgrade, extend and restore contracts, or emit events."""

from hashlib import sha256

from stellar_sdk import ExtendFootprintTTL, RestoreFootprint, StrKey, scval, xdr

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import (
    PASSPHRASE,
    REGISTRY,
    TOKEN,
    asset_name,
    assets,
    digest,
    issuer,
)
from sorobanflow.devnet.generator.contract_events import address, contract_event, symbol
from sorobanflow.devnet.generator.draft import Draft, Draw, Soroban, Step
from sorobanflow.devnet.generator.invocation import call, call_arguments, host_step, source_auth
from sorobanflow.devnet.generator.wasms import MAGIC

_FUNCTION = xdr.HostFunctionType
_EXECUTABLE = xdr.ContractExecutableType


def upload(draw: Draw) -> Draft:
    """Upload a contract's code (random bytes that cannot run, and say nothing of themselves)."""
    return upload_of(draw, MAGIC + draw.random.randbytes(draw.random.randrange(100, 1500)))


def upload_of(draw: Draw, wasm: bytes) -> Draft:
    """Upload this code."""
    (source,) = draw.accounts(1)
    wasm_hash = sha256(wasm).digest()
    key = entries.code_key(wasm_hash)
    function = xdr.HostFunction(_FUNCTION.HOST_FUNCTION_TYPE_UPLOAD_CONTRACT_WASM, wasm=wasm)
    step = host_step(function, (), _created(draw, entries.code_data(wasm), key))
    return Draft(source, (step,), Soroban((), (key,), scval.to_bytes(wasm_hash)))


def create(draw: Draw) -> Draft:
    """Create a token contract from code."""
    (source,) = draw.accounts(1)
    salt, wasm_hash = draw.random.randbytes(32), digest("token wasm")
    sender = address(source.public_key).address
    assert sender is not None
    preimage = xdr.ContractIDPreimage(
        xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
        from_address=xdr.ContractIDPreimageFromAddress(sender, xdr.Uint256(salt)),
    )
    executable = xdr.ContractExecutable(_EXECUTABLE.CONTRACT_EXECUTABLE_WASM, xdr.Hash(wasm_hash))
    arguments = xdr.CreateContractArgsV2(preimage, executable, [address(source.public_key)])
    function = xdr.HostFunction(
        _FUNCTION.HOST_FUNCTION_TYPE_CREATE_CONTRACT_V2, create_contract_v2=arguments
    )
    storage = entries.token_storage(source.public_key, f"Token {draw.number}", "TKN")
    return _creation(draw, function, salt, entries.instance(executable, storage))


def create_asset_contract(draw: Draw) -> Draft:
    """Create the contract of an asset."""
    asset = assets()[0]
    preimage = xdr.ContractIDPreimage(
        xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ASSET,
        from_asset=asset.to_xdr_object(),
    )
    executable = xdr.ContractExecutable(_EXECUTABLE.CONTRACT_EXECUTABLE_STELLAR_ASSET)
    function = xdr.HostFunction(
        _FUNCTION.HOST_FUNCTION_TYPE_CREATE_CONTRACT,
        create_contract=xdr.CreateContractArgs(preimage, executable),
    )
    info = {
        symbol("asset_code"): scval.to_string(asset.code),
        symbol("issuer"): scval.to_bytes(issuer().raw_public_key()),
    }
    storage = entries.token_storage(issuer().public_key, asset_name(asset), asset.code)
    named = scval.to_vec([symbol("AlphaNum4"), scval.to_map(info)])
    storage.append((scval.to_vec([symbol("AssetInfo")]), named))
    salt = StrKey.decode_contract(asset.contract_id(PASSPHRASE))
    return _creation(draw, function, salt, entries.instance(executable, storage))


def upgrade(draw: Draw) -> Draft:
    """Replace a contract's code: the host emits a system event."""
    (source,) = draw.accounts(1)
    old, new = (
        scval.to_vec([symbol("Wasm"), scval.to_bytes(digest(name))])
        for name in ("old wasm", f"wasm {draw.number}")
    )
    event = contract_event(
        REGISTRY,
        [symbol("executable_update"), old, new],
        scval.to_vec([]),
        xdr.ContractEventType.SYSTEM,
    )
    root = call_arguments(REGISTRY, "upgrade", [scval.to_bytes(digest(f"wasm {draw.number}"))])
    step = host_step(call(root), [event], (), [source_auth(root)])
    return Draft(source, (step,), Soroban((), (_instance_key(REGISTRY),), scval.to_void()))


def values(draw: Draw) -> Draft:
    """Emit events with every kind of value in topics and data, and one without topics."""
    (source,) = draw.accounts(1)
    topics = [
        [symbol("kinds"), scval.to_bool(True), scval.to_uint32(2**32 - 1), scval.to_int32(-1)],
        [scval.to_bytes(b"\x00\xff"), scval.to_void(), scval.to_vec([symbol("deep")])],
        [scval.to_string("text\x00with NUL"), address(TOKEN)],
        [],
    ]
    data = [_every_kind(draw), scval.to_void(), scval.to_string(b"\xff not UTF-8"), _nested(3)]
    events = [
        contract_event(REGISTRY, each, value) for each, value in zip(topics, data, strict=True)
    ]
    key, value = symbol("Counter"), scval.to_uint64(draw.number)
    changes = _created(draw, entries.contract_data(REGISTRY, key, value), _data_key(key))
    root = call_arguments(REGISTRY, "store", [_every_kind(draw)])
    step = host_step(call(root), events, changes, [source_auth(root)])
    return Draft(source, (step,), Soroban((), (_data_key(key),), value))


def extend(draw: Draw) -> Draft:
    """Extend the time to live of an entry."""
    (source,) = draw.accounts(1)
    key = _instance_key(TOKEN)
    old, new = (entries.ttl_data(key, ledger) for ledger in (draw.ledger - 1, draw.ledger + 9))
    code = xdr.ExtendFootprintTTLResultCode
    step = Step(
        ExtendFootprintTTL(extend_to=120_000),
        _extend_result(code.EXTEND_FOOTPRINT_TTL_SUCCESS),
        _extend_result(code.EXTEND_FOOTPRINT_TTL_RESOURCE_LIMIT_EXCEEDED),
        changes=tuple(
            entries.updated(entries.entry(draw.ledger - 1, old), entries.entry(draw.ledger, new))
        ),
    )
    return Draft(source, (step,), Soroban((key,), (), None))


def restore(draw: Draw) -> Draft:
    """Restore an archived entry."""
    (source,) = draw.accounts(1)
    key = _data_key(symbol("Counter"))
    data = entries.contract_data(REGISTRY, symbol("Counter"), scval.to_uint64(1))
    changes = [
        *entries.restored(entries.entry(max(draw.ledger - 5, 0), data)),
        *entries.restored(entries.entry(draw.ledger, entries.ttl_data(key, draw.ledger))),
    ]
    code = xdr.RestoreFootprintResultCode
    step = Step(
        RestoreFootprint(),
        _restore_result(code.RESTORE_FOOTPRINT_SUCCESS),
        _restore_result(code.RESTORE_FOOTPRINT_RESOURCE_LIMIT_EXCEEDED),
        changes=tuple(changes),
    )
    return Draft(source, (step,), Soroban((), (key,), None))


def close_entry(draw: Draw) -> Draft:
    """Remove an entry of a contract."""
    (source,) = draw.accounts(1)
    key = symbol("Session")
    data = entries.contract_data(REGISTRY, key, scval.to_bool(True))
    changes = entries.removed(entries.entry(draw.ledger - 1, data), _data_key(key))
    event = contract_event(REGISTRY, [symbol("closed"), address(source.public_key)], _nested(1))
    root = call_arguments(REGISTRY, "close", [])
    step = host_step(call(root), [event], changes, [source_auth(root)])
    return Draft(source, (step,), Soroban((), (_data_key(key),), scval.to_void()))


def _creation(draw: Draw, function: xdr.HostFunction, salt: bytes, made: xdr.SCVal) -> Draft:
    (source,) = draw.accounts(1)
    contract_id = StrKey.encode_contract(salt)
    key = _instance_key(contract_id)
    data = entries.contract_data(contract_id, entries.INSTANCE_KEY, made)
    step = host_step(function, (), _created(draw, data, key))
    return Draft(source, (step,), Soroban((), (key,), address(contract_id)))


def _created(
    draw: Draw, data: xdr.LedgerEntryData, key: xdr.LedgerKey
) -> list[xdr.LedgerEntryChange]:
    return [
        *entries.created(entries.entry(draw.ledger, data)),
        *entries.created(entries.entry(draw.ledger, entries.ttl_data(key, draw.ledger))),
    ]


def _every_kind(draw: Draw) -> xdr.SCVal:
    code = xdr.SCErrorCode.SCEC_INVALID_INPUT
    error = xdr.SCError(xdr.SCErrorType.SCE_AUTH, code=code)
    fields = {
        symbol("duration"): scval.to_duration(86_400),
        symbol("error"): xdr.SCVal(xdr.SCValType.SCV_ERROR, error=error),
        symbol("i128"): scval.to_int128(-(2**127)),
        symbol("i256"): scval.to_int256(-(2**255)),
        symbol("i64"): scval.to_int64(-(2**63)),
        symbol("number"): scval.to_uint32(draw.number % 2**32),
        symbol("timepoint"): scval.to_timepoint(1_767_225_600),
        symbol("u128"): scval.to_uint128(2**128 - 1),
        symbol("u256"): scval.to_uint256(2**256 - 1),
        symbol("u64"): scval.to_uint64(2**64 - 1),
    }
    return scval.to_map(fields)


def _nested(depth: int) -> xdr.SCVal:
    value = scval.to_vec([])
    for _ in range(depth):
        value = scval.to_map({scval.to_uint32(depth): scval.to_vec([value, scval.to_void()])})
    return value


def _instance_key(contract_id: str) -> xdr.LedgerKey:
    return entries.data_key(contract_id, entries.INSTANCE_KEY)


def _data_key(key: xdr.SCVal) -> xdr.LedgerKey:
    return entries.data_key(REGISTRY, key)


def _extend_result(code: xdr.ExtendFootprintTTLResultCode) -> xdr.OperationResultTr:
    result = xdr.ExtendFootprintTTLResult(code)
    kind = xdr.OperationType.EXTEND_FOOTPRINT_TTL
    return xdr.OperationResultTr(kind, extend_footprint_ttl_result=result)


def _restore_result(code: xdr.RestoreFootprintResultCode) -> xdr.OperationResultTr:
    result = xdr.RestoreFootprintResult(code)
    kind = xdr.OperationType.RESTORE_FOOTPRINT
    return xdr.OperationResultTr(kind, restore_footprint_result=result)
