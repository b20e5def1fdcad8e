"""What happens to a ledger beside its transactions: upgrades by vote, and evictions.

Both happen now and then, and early enough that eight ledgers hold both.
"""

from hashlib import sha256

from stellar_sdk import Keypair, StrKey, scval, xdr

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import REGISTRY, digest

_UPGRADE = xdr.LedgerUpgradeType
_CONFIG = xdr.LedgerEntryType.CONFIG_SETTING
_SETTING = xdr.ConfigSettingID.CONFIG_SETTING_CONTRACT_MAX_SIZE_BYTES


def upgrades(sequence: int) -> list[xdr.UpgradeEntryMeta]:
    """Upgrade ledgers 3, 10, 17, …: the base fee and a setting, and an account is made."""
    if sequence % 7 != 3:
        return []
    base_fee = xdr.LedgerUpgrade(
        _UPGRADE.LEDGER_UPGRADE_BASE_FEE, new_base_fee=xdr.Uint32(100 + sequence % 100)
    )
    contract = xdr.ContractID(xdr.Hash(StrKey.decode_contract(REGISTRY)))
    key = xdr.ConfigUpgradeSetKey(contract, xdr.Hash(digest(f"settings {sequence}")))
    config = xdr.LedgerUpgrade(_UPGRADE.LEDGER_UPGRADE_CONFIG, new_config=key)
    return [
        xdr.UpgradeEntryMeta(base_fee, xdr.LedgerEntryChanges([])),
        xdr.UpgradeEntryMeta(config, xdr.LedgerEntryChanges(_changes(sequence))),
    ]


def evicted_keys(sequence: int) -> list[xdr.LedgerKey]:
    """Evict an entry and its time to live in ledgers 6, 17, 28, …; transactions restore it."""
    if sequence % 11 != 6:
        return []
    key = entries.data_key(REGISTRY, scval.to_symbol("Counter"))
    key_hash = xdr.Hash(sha256(key.to_xdr_bytes()).digest())
    return [key, xdr.LedgerKey(xdr.LedgerEntryType.TTL, ttl=xdr.LedgerKeyTtl(key_hash))]


def _changes(sequence: int) -> list[xdr.LedgerEntryChange]:
    owner = Keypair.from_raw_ed25519_seed(digest(f"upgrade {sequence}"))
    account = entries.account_data(owner, 100_0000000, sequence << 32)
    old, new = (_setting(number) for number in (sequence - 1, sequence))
    return [
        *entries.updated(entries.entry(sequence - 1, old), entries.entry(sequence, new)),
        *entries.created(entries.entry(sequence, account)),
    ]


def _setting(number: int) -> xdr.LedgerEntryData:
    size = xdr.Uint32(65_536 + number % 1000)
    setting = xdr.ConfigSettingEntry(_SETTING, contract_max_size_bytes=size)
    return xdr.LedgerEntryData(_CONFIG, config_setting=setting)
