"""Make ledger entries and their changes, as transaction metas hold them.

Ledgers are generated independently, so balances are invented for each
transaction: each entry is plausible, but they do not add up along the chain.
"""

from hashlib import sha256

from stellar_sdk import Asset, Claimant, Keypair, LiquidityPoolAsset, StrKey, scval, xdr

from sorobanflow.devnet.generator.contract_events import EXT, address, symbol

_LIFETIME = 120_960  # ledgers until an entry expires
_NO_EXT = xdr.LedgerEntryExt(0)
_KIND = xdr.LedgerEntryType
_CHANGE = xdr.LedgerEntryChangeType
PERSISTENT = xdr.ContractDataDurability.PERSISTENT
INSTANCE_KEY = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)


Storage = list[tuple[xdr.SCVal, xdr.SCVal]]


def entry(
    ledger: int, data: xdr.LedgerEntryData, sponsor: Keypair | None = None
) -> xdr.LedgerEntry:
    """Make an entry that was last changed in a ledger, and whose reserve its sponsor pays."""
    if sponsor is None:
        return xdr.LedgerEntry(xdr.Uint32(ledger), data, _NO_EXT)
    paid_by = xdr.SponsorshipDescriptor(sponsor.xdr_account_id())
    v1 = xdr.LedgerEntryExtensionV1(paid_by, xdr.LedgerEntryExtensionV1Ext(0))
    return xdr.LedgerEntry(xdr.Uint32(ledger), data, xdr.LedgerEntryExt(1, v1))


def created(new: xdr.LedgerEntry) -> list[xdr.LedgerEntryChange]:
    """Return the change of an entry that was created."""
    return [xdr.LedgerEntryChange(_CHANGE.LEDGER_ENTRY_CREATED, created=new)]


def restored(new: xdr.LedgerEntry) -> list[xdr.LedgerEntryChange]:
    """Return the change of an archived entry that was restored."""
    return [xdr.LedgerEntryChange(_CHANGE.LEDGER_ENTRY_RESTORED, restored=new)]


def updated(old: xdr.LedgerEntry, new: xdr.LedgerEntry) -> list[xdr.LedgerEntryChange]:
    """Return the two changes of an updated entry: its state before and after."""
    return [
        xdr.LedgerEntryChange(_CHANGE.LEDGER_ENTRY_STATE, state=old),
        xdr.LedgerEntryChange(_CHANGE.LEDGER_ENTRY_UPDATED, updated=new),
    ]


def removed(old: xdr.LedgerEntry, key: xdr.LedgerKey) -> list[xdr.LedgerEntryChange]:
    """Return the two changes of a removed entry: its state before, and its key."""
    return [
        xdr.LedgerEntryChange(_CHANGE.LEDGER_ENTRY_STATE, state=old),
        xdr.LedgerEntryChange(_CHANGE.LEDGER_ENTRY_REMOVED, removed=key),
    ]


def account_data(owner: Keypair, balance: int, sequence: int) -> xdr.LedgerEntryData:
    """Make an account: balance in stroops, and its sequence number."""
    account = xdr.AccountEntry(
        owner.xdr_account_id(),
        xdr.Int64(balance),
        xdr.SequenceNumber(xdr.Int64(sequence)),
        xdr.Uint32(2),
        None,
        xdr.Uint32(0),
        xdr.String32(b"devnet.example"),
        xdr.Thresholds(b"\x01\x00\x00\x00"),
        [],
        xdr.AccountEntryExt(0),
    )
    return xdr.LedgerEntryData(_KIND.ACCOUNT, account=account)


def trustline_data(
    owner: Keypair, asset: Asset, balance: int, authorized: bool = True
) -> xdr.LedgerEntryData:
    """Make a trustline: balance in the asset's 10^-7."""
    return _line(owner, asset.to_trust_line_asset_xdr_object(), balance, int(authorized))


def shares_data(owner: Keypair, pool: LiquidityPoolAsset, balance: int) -> xdr.LedgerEntryData:
    """Make the trustline of a pool's shares; it has no flags."""
    kind = xdr.AssetType.ASSET_TYPE_POOL_SHARE
    return _line(owner, xdr.TrustLineAsset(kind, liquidity_pool_id=pool_id(pool)), balance, 0)


def _line(
    owner: Keypair, asset: xdr.TrustLineAsset, balance: int, flags: int
) -> xdr.LedgerEntryData:
    line = xdr.TrustLineEntry(
        owner.xdr_account_id(),
        asset,
        xdr.Int64(balance),
        xdr.Int64(2**63 - 1),
        xdr.Uint32(flags),
        xdr.TrustLineEntryExt(0),
    )
    return xdr.LedgerEntryData(_KIND.TRUSTLINE, trust_line=line)


def offer_data(
    seller: Keypair, number: int, selling: Asset, buying: Asset, amount: int, price: tuple[int, int]
) -> xdr.LedgerEntryData:
    """Make an offer: amount in 10^-7, price as a fraction."""
    offer = xdr.OfferEntry(
        seller.xdr_account_id(),
        xdr.Int64(number),
        selling.to_xdr_object(),
        buying.to_xdr_object(),
        xdr.Int64(amount),
        xdr.Price(*map(xdr.Int32, price)),
        xdr.Uint32(0),
        xdr.OfferEntryExt(0),
    )
    return xdr.LedgerEntryData(_KIND.OFFER, offer=offer)


def pool_data(
    pool: LiquidityPoolAsset, reserve_a: int, reserve_b: int, shares: int
) -> xdr.LedgerEntryData:
    """Make a liquidity pool of three holders: amounts in 10^-7."""
    parameters = xdr.LiquidityPoolConstantProductParameters(
        pool.asset_a.to_xdr_object(), pool.asset_b.to_xdr_object(), xdr.Int32(pool.fee)
    )
    product = xdr.LiquidityPoolEntryConstantProduct(
        parameters, xdr.Int64(reserve_a), xdr.Int64(reserve_b), xdr.Int64(shares), xdr.Int64(3)
    )
    kind = xdr.LiquidityPoolType.LIQUIDITY_POOL_CONSTANT_PRODUCT
    entry = xdr.LiquidityPoolEntry(pool_id(pool), xdr.LiquidityPoolEntryBody(kind, product))
    return xdr.LedgerEntryData(_KIND.LIQUIDITY_POOL, liquidity_pool=entry)


def pool_id(pool: LiquidityPoolAsset) -> xdr.PoolID:
    """Make the id of a pool."""
    return xdr.PoolID(xdr.Hash(bytes.fromhex(pool.liquidity_pool_id)))


def account_data_entry(owner: Keypair, name: str, value: bytes) -> xdr.LedgerEntryData:
    """Make a data entry of an account."""
    data = xdr.DataEntry(
        owner.xdr_account_id(),
        xdr.String64(name.encode()),
        xdr.DataValue(value),
        xdr.DataEntryExt(0),
    )
    return xdr.LedgerEntryData(_KIND.DATA, data=data)


def claimable_data(
    balance_id: xdr.ClaimableBalanceID, claimant: Claimant, asset: Asset, amount: int
) -> xdr.LedgerEntryData:
    """Make a claimable balance: amount in the asset's 10^-7."""
    balance = xdr.ClaimableBalanceEntry(
        balance_id,
        [claimant.to_xdr_object()],
        asset.to_xdr_object(),
        xdr.Int64(amount),
        xdr.ClaimableBalanceEntryExt(0),
    )
    return xdr.LedgerEntryData(_KIND.CLAIMABLE_BALANCE, claimable_balance=balance)


def contract_data(contract_id: str, key: xdr.SCVal, value: xdr.SCVal) -> xdr.LedgerEntryData:
    """Make a persistent entry of a contract."""
    data = xdr.ContractDataEntry(EXT, sc_address(contract_id), key, PERSISTENT, value)
    return xdr.LedgerEntryData(_KIND.CONTRACT_DATA, contract_data=data)


def data_key(contract_id: str, key: xdr.SCVal) -> xdr.LedgerKey:
    """Make the key of a persistent entry of a contract."""
    data = xdr.LedgerKeyContractData(sc_address(contract_id), key, PERSISTENT)
    return xdr.LedgerKey(_KIND.CONTRACT_DATA, contract_data=data)


def code_key(wasm_hash: bytes) -> xdr.LedgerKey:
    """Make the key of a contract's code."""
    return xdr.LedgerKey(
        _KIND.CONTRACT_CODE, contract_code=xdr.LedgerKeyContractCode(xdr.Hash(wasm_hash))
    )


def code_data(wasm: bytes) -> xdr.LedgerEntryData:
    """Make the entry of a contract's code."""
    code = xdr.ContractCodeEntry(xdr.ContractCodeEntryExt(0), xdr.Hash(sha256(wasm).digest()), wasm)
    return xdr.LedgerEntryData(_KIND.CONTRACT_CODE, contract_code=code)


def ttl_data(key: xdr.LedgerKey, ledger: int) -> xdr.LedgerEntryData:
    """Make the time to live of the entry with this key, as set in a ledger."""
    key_hash = xdr.Hash(sha256(key.to_xdr_bytes()).digest())
    ttl = xdr.TTLEntry(key_hash, xdr.Uint32(ledger + _LIFETIME))
    return xdr.LedgerEntryData(_KIND.TTL, ttl=ttl)


def balance_key(holder: str) -> xdr.SCVal:
    """Make the key that token contracts use for a balance."""
    return scval.to_vec([symbol("Balance"), address(holder)])


def asset_balance(amount: int) -> xdr.SCVal:
    """Make a contract's balance in the form that an asset's contract stores."""
    fields = {
        symbol("amount"): scval.to_int128(amount),
        symbol("authorized"): scval.to_bool(True),
        symbol("clawback"): scval.to_bool(False),
    }
    return scval.to_map(fields)


def executable(wasm: bytes) -> xdr.ContractExecutable:
    """Make what a contract with this Wasm runs."""
    kind = xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM
    return xdr.ContractExecutable(kind, xdr.Hash(sha256(wasm).digest()))


def instance(executable: xdr.ContractExecutable, storage: Storage) -> xdr.SCVal:
    """Make a contract's instance with its stored."""
    entries = [xdr.SCMapEntry(key, value) for key, value in storage]
    made = xdr.SCContractInstance(executable, xdr.SCMap(entries))
    return xdr.SCVal(xdr.SCValType.SCV_CONTRACT_INSTANCE, instance=made)


def token_storage(admin: str, name: str, code: str) -> Storage:
    """Make the instance storage of a token: METADATA and Admin."""
    metadata = {
        symbol("decimal"): scval.to_uint32(7),
        symbol("name"): scval.to_string(name),
        symbol("symbol"): scval.to_string(code),
    }
    return [
        (symbol("METADATA"), scval.to_map(metadata)),
        (scval.to_vec([symbol("Admin")]), address(admin)),
    ]


def sc_address(contract_id: str) -> xdr.SCAddress:
    """Make a contract's address."""
    contract = xdr.ContractID(xdr.Hash(StrKey.decode_contract(contract_id)))
    return xdr.SCAddress(xdr.SCAddressType.SC_ADDRESS_TYPE_CONTRACT, contract_id=contract)
