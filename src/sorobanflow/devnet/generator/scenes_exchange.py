"""Transactions of the exchange, whose Wasm says what they mean, and which is upgraded once.

Each cycle of scenes has one of them: a swap, a deposit or a rejected order. In the third cycle
the exchange is upgraded: its event `swap` has other fields from then on.
"""

from collections.abc import Mapping
from hashlib import sha256

from stellar_sdk import scval, xdr

from sorobanflow.devnet.generator import entries
from sorobanflow.devnet.generator.cast import EXCHANGE, TOKEN, account, asset_contract, assets
from sorobanflow.devnet.generator.cast import asset_name as name_of
from sorobanflow.devnet.generator.contract_events import (
    address,
    asset_event,
    contract_event,
    symbol,
    token_event,
)
from sorobanflow.devnet.generator.draft import Draft, Draw, Soroban
from sorobanflow.devnet.generator.invocation import (
    address_auth,
    call,
    call_arguments,
    host_step,
    source_auth,
)
from sorobanflow.devnet.generator.scenes_contracts import upload_of
from sorobanflow.devnet.generator.scenes_tokens import balance_changes, footprint, line_changes
from sorobanflow.devnet.generator.wasms import exchange_wasm

#: Numbers of transactions, in place of other uploads and upgrades.
UPLOADED, UPGRADED = 26, 72
_CYCLE = 20  # scenes
_FEE = 30  # per 10,000
Fields = Mapping[str, xdr.SCVal]


def exchange(draw: Draw) -> Draft:
    """Swap, deposit, or have an order rejected, authorized by an account that is not the source."""
    source, trader = draw.accounts(2)
    asset, amount = assets()[0], draw.amount()
    contract, data = asset_contract(name_of(asset)), scval.to_int128(amount)
    there, back = [trader.public_key, EXCHANGE], [EXCHANGE, trader.public_key]
    name, arguments, event, result = _act(draw, address(trader.public_key), amount)
    events = [
        asset_event(asset, "transfer", there, data),
        token_event(TOKEN, "transfer", back, data),
        event,
    ]
    changes = [
        *line_changes(draw, trader, asset, -amount),
        *balance_changes(draw, contract, EXCHANGE, entries.asset_balance(amount)),
        *balance_changes(draw, TOKEN, trader.public_key, data),
    ]
    if name == "deposit":
        changes += _deposited(draw, trader.public_key, result)
    root = call_arguments(EXCHANGE, name, arguments)
    inner = call_arguments(contract, "transfer", [*map(address, there), data])
    auth = [address_auth(draw, trader.public_key, root, [inner])]
    step = host_step(call(root), events, changes, auth)
    return Draft(source, (step,), footprint([contract, TOKEN, EXCHANGE], [], result))


def _act(
    draw: Draw, trader: xdr.SCVal, amount: int
) -> tuple[str, list[xdr.SCVal], xdr.ContractEvent, xdr.SCVal]:
    """Choose what happens: the function, its arguments, its event and its result."""
    data, cycle = scval.to_int128(amount), draw.number // _CYCLE
    if cycle % 4 == 0:
        topics = [symbol("order_rejected"), trader]
        return "order", [trader, data], _event(topics, _fault(1 + cycle % 2)), scval.to_void()
    if cycle % 4 == 2:
        position = _map({"shares": data, "since": scval.to_uint32(draw.ledger)})
        both = scval.to_vec([data, data])
        topics = [symbol("pool"), symbol("deposit"), trader]
        return "deposit", [trader, both], _event(topics, both), position
    side = scval.to_vec([symbol("Limit"), data] if draw.number % 3 else [symbol("Sell")])
    swapped = {"amount_in": data, "amount_out": data}
    added = {"side": side} if draw.number < UPGRADED else _fees(draw, amount)
    event = _event([symbol("swap"), trader], _map({**swapped, **added}))
    return "swap", [trader, data, side], event, data


def _fees(draw: Draw, amount: int) -> Fields:
    """Make the fields that the second Wasm adds in place of the side."""
    memo = scval.to_string("monthly") if draw.number % 3 else scval.to_void()
    fee = scval.to_uint64(amount * _FEE // 10_000)
    return {"fee": fee, "memo": memo, "tier": scval.to_uint32(draw.number % 3 // 2)}


def _fault(code: int) -> xdr.SCVal:
    error = xdr.SCError(xdr.SCErrorType.SCE_CONTRACT, xdr.Uint32(code))
    return xdr.SCVal(xdr.SCValType.SCV_ERROR, error=error)


def _event(topics: list[xdr.SCVal], data: xdr.SCVal) -> xdr.ContractEvent:
    return contract_event(EXCHANGE, topics, data)


def _map(fields: Fields) -> xdr.SCVal:
    return scval.to_map({symbol(name): fields[name] for name in sorted(fields)})


def _deposited(draw: Draw, provider: str, position: xdr.SCVal) -> list[xdr.LedgerEntryChange]:
    key = scval.to_vec([symbol("Position"), address(provider)])
    old = _map({"shares": scval.to_int128(0), "since": scval.to_uint32(1)})
    return _updated(draw, key, old, position)


def _updated(
    draw: Draw, key: xdr.SCVal, old: xdr.SCVal, new: xdr.SCVal
) -> list[xdr.LedgerEntryChange]:
    return entries.updated(
        entries.entry(draw.ledger - 1, entries.contract_data(EXCHANGE, key, old)),
        entries.entry(draw.ledger, entries.contract_data(EXCHANGE, key, new)),
    )


def upload(draw: Draw) -> Draft:
    """Upload the exchange's second Wasm."""
    return upload_of(draw, exchange_wasm(2))


def upgrade(draw: Draw) -> Draft:
    """Replace the exchange's code: the host emits a system event."""
    (source,) = draw.accounts(1)
    codes = [scval.to_bytes(sha256(exchange_wasm(version)).digest()) for version in (1, 2)]
    topics = [symbol("executable_update"), *(scval.to_vec([symbol("Wasm"), one]) for one in codes)]
    event = contract_event(EXCHANGE, topics, scval.to_vec([]), xdr.ContractEventType.SYSTEM)
    changes = _updated(draw, entries.INSTANCE_KEY, *map(instance, (1, 2)))
    root = call_arguments(EXCHANGE, "upgrade", [codes[1]])
    step = host_step(call(root), [event], changes, [source_auth(root)])
    key = entries.data_key(EXCHANGE, entries.INSTANCE_KEY)
    return Draft(source, (step,), Soroban((), (key,), scval.to_void()))


def instance(version: int) -> xdr.SCVal:
    """Make the exchange's instance with its first or second Wasm."""
    admin = (scval.to_vec([symbol("Admin")]), address(account(1).public_key))
    return entries.instance(entries.executable(exchange_wasm(version)), [admin])
