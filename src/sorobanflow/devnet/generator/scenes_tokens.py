"""Transactions that call token contracts: of assets, of a custom SEP-41 token, or both.

`uniform` is for measurements: it emits an exact number of events.
"""

from stellar_sdk import Asset, Keypair, StrKey, scval, xdr

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import (
    EXCHANGE,
    TOKEN,
    asset_contract,
    asset_name,
    assets,
    digest,
)
from sorobanflow.devnet.generator.contract_events import (
    address,
    amount_to,
    asset_event,
    contract_event,
    symbol,
    token_event,
)
from sorobanflow.devnet.generator.draft import Draft, Draw, Soroban
from sorobanflow.devnet.generator.invocation import (
    call,
    call_arguments,
    host_step,
    source_auth,
)

I128_MIN, I128_MAX = -(2**127), 2**127 - 1
POOL = StrKey.encode_liquidity_pool(digest("pool"))


def asset_transfer(draw: Draw) -> Draft:
    """Transfer an asset to a contract, and to a muxed account with any kind of id."""
    source, target = draw.accounts(2)
    asset, amount = assets()[0], draw.amount()
    muxed = draw.random.choice(
        (scval.to_uint64(2**64 - 1), scval.to_string("order 7"), scval.to_bytes(bytes(32)))
    )
    parties = [source.public_key, target.public_key]
    events = [
        asset_event(asset, "transfer", parties, amount_to(amount, muxed)),
        asset_event(asset, "transfer", [source.public_key, EXCHANGE], scval.to_int128(amount)),
        asset_event(asset, "transfer", [EXCHANGE, POOL], scval.to_int128(amount)),
    ]
    contract = asset_contract(asset_name(asset))
    changes = [
        *line_changes(draw, source, asset, -2 * amount),
        *line_changes(draw, target, asset, amount),
        *balance_changes(draw, contract, EXCHANGE, entries.asset_balance(amount)),
    ]
    return _invocation(draw, source, contract, "transfer", parties, amount, events, changes)


def token_transfer(draw: Draw) -> Draft:
    """Transfer the custom token, sometimes the smallest or largest i128."""
    source, target = draw.accounts(2)
    amount = draw.random.choice((0, I128_MAX, I128_MIN, draw.random.randrange(10**30)))
    parties = [source.public_key, target.public_key]
    events = [token_event(TOKEN, "transfer", parties, scval.to_int128(amount))]
    changes = [
        *balance_changes(draw, TOKEN, source.public_key, scval.to_int128(0)),
        *balance_changes(draw, TOKEN, target.public_key, scval.to_int128(amount)),
    ]
    return _invocation(draw, source, TOKEN, "transfer", parties, amount, events, changes)


def token_supply(draw: Draw) -> Draft:
    """Mint, burn and claw back the custom token, with and without the admin in the topics."""
    admin, holder = draw.accounts(2)
    amount = draw.amount()
    one, both = [holder.public_key], [admin.public_key, holder.public_key]
    data = scval.to_int128(amount)
    events = [
        token_event(TOKEN, "mint", one, data),
        token_event(TOKEN, "mint", both, data),
        token_event(TOKEN, "burn", one, data),
        token_event(TOKEN, "clawback", one, data),
        token_event(TOKEN, "clawback", both, data),
    ]
    changes = balance_changes(draw, TOKEN, holder.public_key, data)
    return _invocation(draw, admin, TOKEN, "mint", one, amount, events, changes)


def approvals(draw: Draw) -> Draft:
    """Approve a spender, for an asset and for the custom token."""
    source, spender = draw.accounts(2)
    amount, asset = draw.amount(), assets()[1]
    parties = [source.public_key, spender.public_key]
    data = scval.to_vec([scval.to_int128(amount), scval.to_uint32(draw.ledger + 1000)])
    events = [
        asset_event(asset, "approve", parties, data),
        token_event(TOKEN, "approve", parties, data),
    ]
    contract = asset_contract(asset_name(asset))
    return _invocation(draw, source, contract, "approve", parties, amount, events, [])


def asset_admin(draw: Draw) -> Draft:
    """Mint, burn, claw back and authorize through an asset's contract."""
    admin, holder = draw.accounts(2)
    amount, asset = draw.amount(), assets()[1]
    data, holders = scval.to_int128(amount), [holder.public_key]
    events = [
        asset_event(asset, "mint", holders, amount_to(amount, scval.to_uint64(draw.number))),
        asset_event(asset, "set_authorized", [EXCHANGE], scval.to_bool(True)),
        asset_event(asset, "clawback", holders, data),
        asset_event(asset, "burn", holders, data),
    ]
    contract = asset_contract(asset_name(asset))
    changes = line_changes(draw, holder, asset, -amount)
    return _invocation(draw, admin, contract, "mint", holders, amount, events, changes)


def uniform(draw: Draw, events: int) -> Draft:
    """Call the exchange with exactly this many contract events, of three kinds."""
    source, target = draw.accounts(2)
    amount, asset = draw.amount(), assets()[0]
    parties = [source.public_key, target.public_key]
    data = scval.to_int128(amount)
    kinds = (
        asset_event(asset, "transfer", parties, data),
        token_event(TOKEN, "transfer", parties, data),
        contract_event(EXCHANGE, [symbol("trade"), address(source.public_key)], data),
    )
    emitted = [kinds[index % len(kinds)] for index in range(events)]
    changes = [
        *line_changes(draw, source, asset, -amount),
        *balance_changes(draw, TOKEN, target.public_key, data),
    ]
    return _invocation(draw, source, EXCHANGE, "trade", parties, amount, emitted, changes)


def _invocation(
    draw: Draw,
    source: Keypair,
    contract: str,
    function: str,
    parties: list[str],
    amount: int,
    events: list[xdr.ContractEvent],
    changes: list[xdr.LedgerEntryChange],
) -> Draft:
    arguments = [*(address(party) for party in parties), scval.to_int128(amount)]
    root = call_arguments(contract, function, arguments)
    step = host_step(call(root), events, changes, [source_auth(root)])
    return Draft(source, (step,), footprint([contract], parties, scval.to_void()))


def footprint(contracts: list[str], holders: list[str], value: xdr.SCVal) -> Soroban:
    """Make the Soroban part of a call that reads instances and writes balances of the first."""
    read_only = [entries.data_key(each, entries.INSTANCE_KEY) for each in contracts]
    read_write = [entries.data_key(contracts[0], entries.balance_key(each)) for each in holders]
    return Soroban(tuple(read_only), tuple(read_write), value)


def balance_changes(
    draw: Draw, contract: str, holder: str, new: xdr.SCVal
) -> list[xdr.LedgerEntryChange]:
    """Change what a holder has in a token's contract."""
    key = entries.balance_key(holder)
    old = entries.asset_balance(1) if new.map else scval.to_int128(1)
    return entries.updated(
        entries.entry(draw.ledger - 1, entries.contract_data(contract, key, old)),
        entries.entry(draw.ledger, entries.contract_data(contract, key, new)),
    )


def line_changes(
    draw: Draw, owner: Keypair, asset: Asset, difference: int
) -> list[xdr.LedgerEntryChange]:
    """Change what an account has in its trust line."""
    old = entries.trustline_data(owner, asset, 10**15)
    new = entries.trustline_data(owner, asset, 10**15 + difference)
    return entries.updated(entries.entry(draw.ledger - 1, old), entries.entry(draw.ledger, new))
