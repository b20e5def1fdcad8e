"""Make contract events: those of tokens (CAP-67 and SEP-41), and others.

An event of an asset's contract names the asset in its last topic; an event of a
custom token does not. Source: CAP-67, SEP-41.
"""

from collections.abc import Sequence
from functools import lru_cache

from stellar_sdk import Asset, StrKey, scval, xdr

from sorobanflow.devnet.generator.cast import NATIVE, asset_contract, asset_name

EXT = xdr.ExtensionPoint(0)

# Cached: most events use the same few values, and none is ever changed.
address = lru_cache(maxsize=4096)(scval.to_address)
symbol = lru_cache(maxsize=256)(scval.to_symbol)


def contract_event(
    contract_id: str,
    topics: Sequence[xdr.SCVal],
    data: xdr.SCVal,
    kind: xdr.ContractEventType = xdr.ContractEventType.CONTRACT,
) -> xdr.ContractEvent:
    """Make an event of any contract."""
    body = xdr.ContractEventBody(0, xdr.ContractEventV0(list(topics), data))
    contract = xdr.ContractID(xdr.Hash(StrKey.decode_contract(contract_id)))
    return xdr.ContractEvent(EXT, contract, kind, body)


def asset_event(
    asset: Asset, verb: str, parties: Sequence[str], data: xdr.SCVal
) -> xdr.ContractEvent:
    """Make an event of an asset's contract with the topics verb, parties, asset."""
    name = asset_name(asset)
    topics = [symbol(verb), *(address(party) for party in parties), scval.to_string(name)]
    return contract_event(asset_contract(name), topics, data)


def transfers(*moved: tuple[Asset, str, str, int]) -> tuple[xdr.ContractEvent, ...]:
    """Make the events of transfers: the asset, from whom, to whom, how much."""
    return tuple(
        asset_event(asset, "transfer", [giver, taker], scval.to_int128(amount))
        for asset, giver, taker, amount in moved
    )


def token_event(
    contract_id: str, verb: str, parties: Sequence[str], data: xdr.SCVal
) -> xdr.ContractEvent:
    """Make an event of a custom token with the topics verb, parties."""
    topics = [symbol(verb), *(address(party) for party in parties)]
    return contract_event(contract_id, topics, data)


def fee_event(payer: str, amount: int) -> xdr.ContractEvent:
    """Make the event of a fee in stroops; a negative fee is a refund."""
    topics = [symbol("fee"), address(payer)]
    return contract_event(asset_contract(asset_name(NATIVE)), topics, scval.to_int128(amount))


def amount_to(amount: int, muxed_id: xdr.SCVal | None) -> xdr.SCVal:
    """Make the data of a transfer, with the id of a muxed destination if there is one."""
    if muxed_id is None:
        return scval.to_int128(amount)
    fields = {symbol("amount"): scval.to_int128(amount), symbol("to_muxed_id"): muxed_id}
    return scval.to_map(fields)
