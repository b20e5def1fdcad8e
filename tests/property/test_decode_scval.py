"""Any SCVal reads as stellar-sdk reads it, and goes back to the same bytes."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stellar_sdk import xdr

from sorobanflow.decode.scval import SC_VAL, read_scval
from sorobanflow.errors import DecodeError
from tests.integration.sdk_oracle import to_json

Kind = xdr.SCValType


def arm(kind: xdr.SCValType, **content: st.SearchStrategy[Any]) -> st.SearchStrategy[xdr.SCVal]:
    return st.builds(xdr.SCVal, st.just(kind), **content)


def number(bits: int, signed: bool) -> st.SearchStrategy[int]:
    low = -(2 ** (bits - 1)) if signed else 0
    return st.integers(low, low + 2**bits - 1)


hashes = st.builds(xdr.Hash, st.binary(min_size=32, max_size=32))
keys = st.builds(xdr.Uint256, st.binary(min_size=32, max_size=32))
u32 = st.builds(xdr.Uint32, number(32, False))
u64 = st.builds(xdr.Uint64, number(64, False))
i64 = st.builds(xdr.Int64, number(64, True))
accounts = st.builds(
    lambda key: xdr.AccountID(xdr.PublicKey(xdr.PublicKeyType.PUBLIC_KEY_TYPE_ED25519, key)), keys
)
Address = xdr.SCAddressType
addresses = st.one_of(
    st.builds(xdr.SCAddress, st.just(Address.SC_ADDRESS_TYPE_ACCOUNT), account_id=accounts),
    st.builds(
        xdr.SCAddress,
        st.just(Address.SC_ADDRESS_TYPE_CONTRACT),
        contract_id=st.builds(xdr.ContractID, hashes),
    ),
    st.builds(
        xdr.SCAddress,
        st.just(Address.SC_ADDRESS_TYPE_MUXED_ACCOUNT),
        muxed_account=st.builds(xdr.MuxedEd25519Account, u64, keys),
    ),
    st.builds(
        xdr.SCAddress,
        st.just(Address.SC_ADDRESS_TYPE_CLAIMABLE_BALANCE),
        claimable_balance_id=st.builds(
            xdr.ClaimableBalanceID,
            st.just(xdr.ClaimableBalanceIDType.CLAIMABLE_BALANCE_ID_TYPE_V0),
            hashes,
        ),
    ),
    st.builds(
        xdr.SCAddress,
        st.just(Address.SC_ADDRESS_TYPE_LIQUIDITY_POOL),
        liquidity_pool_id=st.builds(xdr.PoolID, hashes),
    ),
)
errors = st.builds(
    xdr.SCError, st.just(xdr.SCErrorType.SCE_CONTRACT), contract_code=u32
) | st.builds(
    xdr.SCError,
    st.sampled_from(list(xdr.SCErrorType)[1:]),
    code=st.sampled_from(list(xdr.SCErrorCode)),
)
strings = st.builds(xdr.SCString, st.binary(max_size=40))
Executable = xdr.ContractExecutableType
executables = st.one_of(
    st.builds(
        xdr.ContractExecutable, st.just(Executable.CONTRACT_EXECUTABLE_WASM), wasm_hash=hashes
    ),
    st.builds(xdr.ContractExecutable, st.just(Executable.CONTRACT_EXECUTABLE_STELLAR_ASSET)),
    st.builds(
        xdr.ContractExecutable,
        st.just(Executable.CONTRACT_EXECUTABLE_EXTERNAL_REF),
        external_ref=st.builds(xdr.ContractExecutableExternalRef, addresses, strings),
    ),
)
leaves = st.one_of(
    arm(Kind.SCV_BOOL, b=st.booleans()),
    arm(Kind.SCV_VOID),
    arm(Kind.SCV_ERROR, error=errors),
    arm(Kind.SCV_U32, u32=u32),
    arm(Kind.SCV_I32, i32=st.builds(xdr.Int32, number(32, True))),
    arm(Kind.SCV_U64, u64=u64),
    arm(Kind.SCV_I64, i64=i64),
    arm(Kind.SCV_TIMEPOINT, timepoint=st.builds(xdr.TimePoint, u64)),
    arm(Kind.SCV_DURATION, duration=st.builds(xdr.Duration, u64)),
    arm(Kind.SCV_U128, u128=st.builds(xdr.UInt128Parts, u64, u64)),
    arm(Kind.SCV_I128, i128=st.builds(xdr.Int128Parts, i64, u64)),
    arm(Kind.SCV_U256, u256=st.builds(xdr.UInt256Parts, u64, u64, u64, u64)),
    arm(Kind.SCV_I256, i256=st.builds(xdr.Int256Parts, i64, u64, u64, u64)),
    arm(Kind.SCV_BYTES, bytes=st.builds(xdr.SCBytes, st.binary(max_size=40))),
    arm(Kind.SCV_STRING, str=strings),
    arm(Kind.SCV_SYMBOL, sym=st.builds(xdr.SCSymbol, st.binary(max_size=32))),
    arm(Kind.SCV_ADDRESS, address=addresses),
    arm(Kind.SCV_LEDGER_KEY_CONTRACT_INSTANCE),
    arm(Kind.SCV_LEDGER_KEY_NONCE, nonce_key=st.builds(xdr.SCNonceKey, i64)),
    arm(Kind.SCV_EXECUTABLE_TAG, executable_tag=strings),
)


def nested(absent: st.SearchStrategy[None]) -> st.SearchStrategy[xdr.SCVal]:
    """SCVals of all arms, with what may stand in the place of a vec or map."""

    def containers(inner: st.SearchStrategy[xdr.SCVal]) -> st.SearchStrategy[xdr.SCVal]:
        entries = st.lists(st.builds(xdr.SCMapEntry, inner, inner), max_size=3)
        maps = st.builds(xdr.SCMap, entries)
        vecs = st.builds(xdr.SCVec, st.lists(inner, max_size=4))
        instances = st.builds(xdr.SCContractInstance, executables, st.none() | maps)
        return st.one_of(
            arm(Kind.SCV_VEC, vec=absent | vecs),
            arm(Kind.SCV_MAP, map=absent | maps),
            arm(Kind.SCV_CONTRACT_INSTANCE, instance=instances),
        )

    return st.recursive(leaves, containers, max_leaves=12)


values = nested(st.none())
present_values = nested(st.nothing())  # stellar-sdk reads no null for a vec or map
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(values)
def test_read_scval_gives_what_stellar_sdk_gives(value: xdr.SCVal) -> None:
    data = value.to_xdr_bytes()
    assert read_scval(data) == to_json(xdr.SCVal.from_xdr_bytes(data))
    assert SC_VAL.skip(data, 0) == len(data)


@quick
@given(present_values)
def test_what_read_scval_gives_goes_back_to_the_same_bytes(value: xdr.SCVal) -> None:
    data = value.to_xdr_bytes()
    assert xdr.SCVal.from_json_dict(read_scval(data)).to_xdr_bytes() == data


@quick
@given(values, st.data())
def test_damaged_values_are_read_or_refused(value: xdr.SCVal, data: st.DataObject) -> None:
    raw = bytearray(value.to_xdr_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    outcome(bytes(raw))


@quick
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    outcome(raw)


def outcome(raw: bytes) -> None:
    """Read; where we read, stellar-sdk reads the same. It is laxer than we are."""
    try:
        value = read_scval(raw)
    except DecodeError:
        return
    assert value == to_json(xdr.SCVal.from_xdr_bytes(raw))
