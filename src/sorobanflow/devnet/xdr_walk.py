"""Find where XDR values end, without building objects.

A walker takes a buffer and a position, and returns the position after one value
of its type. Reading the events of a transaction meta this way costs a tenth of
decoding the meta, and is independent of the indexer's decoder. It covers the
content of a TransactionMeta, except configuration settings, which only network
upgrades change. Source: Stellar-ledger-entries.x, Stellar-contract.x.
"""

from collections.abc import Callable, Mapping
from struct import Struct
from struct import error as StructError

from sorobanflow.errors import DecodeError

Walker = Callable[[bytes, int], int]
OutOfData = StructError

_UINT32 = Struct(">I")


def uint32(data: bytes, at: int) -> int:
    """Read the unsigned number at a position."""
    return int(_UINT32.unpack_from(data, at)[0])


def fixed(size: int) -> Walker:
    """Walk a value of constant size in bytes."""
    return lambda data, at: at + size


def opaque(data: bytes, at: int) -> int:
    """Walk variable opaque data or a string, with its padding."""
    return at + 4 + ((uint32(data, at) + 3) & ~3)


def array(item: Walker) -> Walker:
    """Walk an array of variable length."""

    def walk(data: bytes, at: int) -> int:
        count = uint32(data, at)
        at += 4
        for _ in range(count):
            at = item(data, at)
        return at

    return walk


def optional(item: Walker) -> Walker:
    """Walk a value that may be absent."""
    return lambda data, at: item(data, at + 4) if uint32(data, at) else at + 4


def struct(*fields: Walker) -> Walker:
    """Walk fields in order."""

    def walk(data: bytes, at: int) -> int:
        for field in fields:
            at = field(data, at)
        return at

    return walk


def union(arms: Mapping[int, Walker]) -> Walker:
    """Walk a union by its discriminant.

    Raises:
        DecodeError: the discriminant has no arm.
    """

    def walk(data: bytes, at: int) -> int:
        arm = arms.get(uint32(data, at))
        if arm is None:
            raise DecodeError(f"the union at byte {at} has no arm {uint32(data, at)}")
        return arm(data, at + 4)

    return walk


def slices(data: bytes, at: int, item: Walker) -> tuple[tuple[bytes, ...], int]:
    """Cut an array of variable length into its items; also return the position after it."""
    count = uint32(data, at)
    at += 4
    items = []
    for _ in range(count):
        end = item(data, at)
        items.append(data[at:end])
        at = end
    return tuple(items), at


def _later(name: str) -> Walker:
    """Walk a type that is defined later, because the types are recursive."""
    return lambda data, at: _TYPES[name](data, at)


VOID = fixed(0)
U32 = fixed(4)
U64 = fixed(8)
HASH = fixed(32)
EXT = fixed(4)  # ExtensionPoint: a union whose only arm is void
ACCOUNT_ID = fixed(36)

ASSET = union({0: VOID, 1: fixed(40), 2: fixed(48), 3: HASH})  # 3: the pool of a trustline
SIGNER_KEY = union({0: HASH, 1: HASH, 2: HASH, 3: struct(HASH, opaque)})
POOL_KIND = U32

SC_ADDRESS = union({0: ACCOUNT_ID, 1: HASH, 2: fixed(40), 3: fixed(36), 4: HASH})
EXECUTABLE = union({0: HASH, 1: VOID, 2: struct(SC_ADDRESS, opaque)})
SC_MAP = array(struct(_later("SCVal"), _later("SCVal")))
SC_VAL = union(
    {
        0: U32,  # bool
        1: VOID,
        2: fixed(8),  # error: type, code
        3: U32,
        4: U32,
        5: U64,
        6: U64,
        7: U64,
        8: U64,
        9: fixed(16),
        10: fixed(16),
        11: fixed(32),
        12: fixed(32),
        13: opaque,
        14: opaque,
        15: opaque,
        16: optional(array(_later("SCVal"))),
        17: optional(SC_MAP),
        18: SC_ADDRESS,
        19: struct(EXECUTABLE, optional(SC_MAP)),
        20: VOID,
        21: U64,
        22: opaque,
    }
)

_SPONSOR = optional(ACCOUNT_ID)
_ACCOUNT_V3 = struct(EXT, U32, U64)
_ACCOUNT_V2 = struct(U32, U32, array(_SPONSOR), union({0: VOID, 3: _ACCOUNT_V3}))
_ACCOUNT_V1 = struct(fixed(16), union({0: VOID, 2: _ACCOUNT_V2}))
ACCOUNT = struct(
    *(ACCOUNT_ID, U64, U64, U32, _SPONSOR, U32, opaque, U32),
    array(struct(SIGNER_KEY, U32)),
    union({0: VOID, 1: _ACCOUNT_V1}),
)
_TRUSTLINE_V1 = struct(fixed(16), union({0: VOID, 2: struct(U32, EXT)}))
TRUSTLINE = struct(ACCOUNT_ID, ASSET, U64, U64, U32, union({0: VOID, 1: _TRUSTLINE_V1}))
OFFER = struct(ACCOUNT_ID, U64, ASSET, ASSET, U64, fixed(8), U32, EXT)
DATA = struct(ACCOUNT_ID, opaque, opaque, EXT)
PREDICATE = union(
    {
        0: VOID,
        1: array(_later("ClaimPredicate")),
        2: array(_later("ClaimPredicate")),
        3: optional(_later("ClaimPredicate")),
        4: U64,
        5: U64,
    }
)
CLAIMANT = union({0: struct(ACCOUNT_ID, PREDICATE)})
CLAIMABLE_BALANCE = struct(
    fixed(36),
    array(CLAIMANT),
    ASSET,
    U64,
    union({0: VOID, 1: struct(EXT, U32)}),
)
POOL = struct(HASH, union({0: struct(ASSET, ASSET, fixed(4), fixed(32))}))
CONTRACT_DATA = struct(EXT, SC_ADDRESS, SC_VAL, U32, SC_VAL)
CONTRACT_CODE = struct(union({0: VOID, 1: fixed(4 + 4 + 40)}), HASH, opaque)
TTL = fixed(36)

LEDGER_ENTRY = struct(
    U32,
    union(
        {
            0: ACCOUNT,
            1: TRUSTLINE,
            2: OFFER,
            3: DATA,
            4: CLAIMABLE_BALANCE,
            5: POOL,
            6: CONTRACT_DATA,
            7: CONTRACT_CODE,
            9: TTL,
        }
    ),
    union({0: VOID, 1: struct(_SPONSOR, EXT)}),
)
LEDGER_KEY = union(
    {
        0: ACCOUNT_ID,
        1: struct(ACCOUNT_ID, ASSET),
        2: struct(ACCOUNT_ID, U64),
        3: struct(ACCOUNT_ID, opaque),
        4: fixed(36),
        5: HASH,
        6: struct(SC_ADDRESS, SC_VAL, U32),
        7: HASH,
        8: U32,
        9: HASH,
    }
)
CHANGE = union({0: LEDGER_ENTRY, 1: LEDGER_ENTRY, 2: LEDGER_KEY, 3: LEDGER_ENTRY, 4: LEDGER_ENTRY})
CHANGES = array(CHANGE)
CONTRACT_EVENT = struct(EXT, optional(HASH), U32, union({0: struct(array(SC_VAL), SC_VAL)}))
TRANSACTION_EVENT = struct(U32, CONTRACT_EVENT)
DIAGNOSTIC_EVENT = struct(U32, CONTRACT_EVENT)
SOROBAN_META_EXT = union({0: VOID, 1: fixed(4 + 24)})

_TYPES: Mapping[str, Walker] = {"SCVal": SC_VAL, "ClaimPredicate": PREDICATE}
