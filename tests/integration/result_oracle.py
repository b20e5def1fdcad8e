"""What transactions and operations gave, by way of stellar-sdk's objects: the other derivation."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import takewhile
from typing import Any

from stellar_sdk import StrKey, xdr

from tests.integration.entry_oracle import Values, account_id, asset_name, pool_id
from tests.integration.meta_oracle import change_lists, entry_of, key_of
from tests.integration.sdk_oracle import result_json, to_json
from tests.integration.true_items import Applied

TYPES = xdr.OperationType
CALL = TYPES.INVOKE_HOST_FUNCTION
#: Operations that trade: the attribute with their result, and of its success that with the atoms.
TRADING = {
    TYPES.PATH_PAYMENT_STRICT_RECEIVE: ("path_payment_strict_receive_result", "offers"),
    TYPES.PATH_PAYMENT_STRICT_SEND: ("path_payment_strict_send_result", "offers"),
    TYPES.MANAGE_SELL_OFFER: ("manage_sell_offer_result", "offers_claimed"),
    TYPES.MANAGE_BUY_OFFER: ("manage_buy_offer_result", "offers_claimed"),
    TYPES.CREATE_PASSIVE_SELL_OFFER: ("create_passive_sell_offer_result", "offers_claimed"),
}
Rows = dict[tuple[Any, ...], Values]
Holdings = Counter[tuple[str, str]]  # of holder and asset: units of 1/10,000,000


def true_results(transactions: Iterable[Applied]) -> dict[str, Rows]:
    """Give the rows of these tables and views, in the columns of results."""
    names = ("transactions", "operations", "trades", "path_payments")
    tables: dict[str, Rows] = {name: {} for name in names}
    for one in transactions:
        tables["transactions"][one.hash,] = {
            "return_value": _return_value(one),
            "fee_charged": one.result.fee_charged.int64,
        } | (_fees(one) if one.fees else {})
        for index, (code, content) in enumerate(_operation_results(one)):
            row = {"result_code": code, "result": content}
            tables["operations"][one.hash, index] = row
        tables["trades"] |= _trades(one)
        tables["path_payments"] |= path_payments(one)
    return tables


def source_of(one: Applied, operation: xdr.Operation) -> str:
    """Give the account that an operation acts for."""
    inner = one.inner
    muxed = operation.source_account or getattr(inner, "source_account", None)
    if muxed is None:
        return StrKey.encode_ed25519_public_key(inner.source_account_ed25519.uint256)
    return _account_of(muxed)


def trading_operations(one: Applied) -> Iterator[tuple[int, xdr.Operation, Any]]:
    """Give the operations of an applied transaction that may trade, with their success."""
    if not one.successful:
        return
    for index, operation in enumerate(one.inner.operations):
        if operation.body.type in TRADING:
            body = one.operation_results[index].tr
            # Of passive offers stellar-core may give the arm of those that are not.
            attribute, _ = TRADING[body.type]
            yield index, operation, getattr(body, attribute).success


def path_payments(one: Applied) -> Rows:
    """Give what path payments took and gave: Horizon's rule for what was sent (SendAmount)."""
    rows: Rows = {}
    for index, operation, success in trading_operations(one):
        body: Any = operation.body
        send = body.path_payment_strict_send_op
        asked = send or body.path_payment_strict_receive_op
        if asked:
            received = _first_hop(success.offers) or success.last.amount.int64
            rows[one.hash, index] = {
                "source_account": source_of(one, operation),
                "destination": account_id(success.last.destination),
                "send_asset": asset_name(asked.send_asset),
                "send_amount": send.send_amount.int64 if send else received,
                "dest_asset": asset_name(asked.dest_asset),
                "dest_amount": success.last.amount.int64,
                "path": [asset_name(each) for each in asked.path],
            }
    return rows


def _first_hop(atoms: list[xdr.ClaimAtom]) -> int:
    trades = [_trade(atom) for atom in atoms]
    of_first = takewhile(lambda one: one["bought_asset"] == trades[0]["bought_asset"], trades)
    return sum(one["bought_amount"] for one in of_first)


def moved(one: Applied, index: int) -> Holdings:
    """Give what the changes of an operation moved, by holder and asset; what nets to 0 is left out.

    Pools hold their reserves; of claimable balances and pool shares nothing is told.
    """
    first: dict[bytes, Holdings] = {}
    last: dict[bytes, Holdings] = {}
    for op_order, items in change_lists(one.meta):
        for item in items if op_order == index + 1 else ():
            key = item.removed or key_of(item)
            if key is not None and (key.account or key.trust_line or key.liquidity_pool):
                name, entry = key.to_xdr_bytes(), entry_of(item)
                held = Counter() if entry is None else Counter(dict(_held(entry.data)))
                first.setdefault(name, held if item.state else Counter())
                last[name] = held
    total: Holdings = Counter()
    for held in last.values():
        total.update(held)
    for held in first.values():
        total.subtract(held)
    return Counter({key: amount for key, amount in total.items() if amount})


def _held(data: xdr.LedgerEntryData) -> Iterator[tuple[tuple[str, str], int]]:
    if data.account:
        yield (account_id(data.account.account_id), "native"), data.account.balance.int64
    elif data.trust_line and data.trust_line.asset.liquidity_pool_id is None:
        line = data.trust_line
        yield (account_id(line.account_id), asset_name(line.asset)), line.balance.int64
    elif data.liquidity_pool:
        body = data.liquidity_pool.body.constant_product
        assert body is not None
        holder = pool_id(data.liquidity_pool.liquidity_pool_id)
        yield (holder, asset_name(body.params.asset_a)), body.reserve_a.int64
        yield (holder, asset_name(body.params.asset_b)), body.reserve_b.int64


def _return_value(one: Applied) -> Any:
    body = one.meta.v3 or one.meta.v4
    if not one.successful or one.inner.operations[0].body.type is not CALL or body is None:
        return None
    value = body.soroban_meta and body.soroban_meta.return_value
    return to_json(value) if value else None


def _operation_results(one: Applied) -> Iterator[tuple[str | None, Any]]:
    results = result_json(one.result)["result"]
    [content] = results.values() if isinstance(results, dict) else [None]
    if isinstance(content, dict):
        inner = content["result"]["result"]
        [content] = inner.values() if isinstance(inner, dict) else [None]
    for each in content or [None] * len(one.inner.operations):
        code, value = _arm(each)
        yield _arm(next(iter(value.values()))) if code == "op_inner" else (code, value)


def _arm(value: Any) -> tuple[Any, Any]:
    [pair] = value.items() if isinstance(value, dict) else [(value, None)]
    return pair


def _trades(one: Applied) -> Rows:
    rows: Rows = {}
    for index, operation, success in trading_operations(one):
        _, atoms = TRADING[operation.body.type]
        for number, atom in enumerate(getattr(success, atoms)):
            row = _trade(atom) | {"ledger": one.ledger, "buyer": source_of(one, operation)}
            rows[one.hash, index, number] = row
    return rows


def _trade(atom: xdr.ClaimAtom) -> Values:
    body: Any = atom.v0 or atom.order_book or atom.liquidity_pool
    sold, bought = body.amount_sold.int64, body.amount_bought.int64
    price = Fraction(bought, sold) if sold else None
    return {
        "type": "liquidity_pool" if atom.liquidity_pool else "order_book",
        "seller": None if atom.liquidity_pool else _seller(atom),
        "offer_id": None if atom.liquidity_pool else body.offer_id.int64,
        "pool_id": pool_id(body.liquidity_pool_id) if atom.liquidity_pool else None,
        "sold_asset": asset_name(body.asset_sold),
        "sold_amount": sold,
        "bought_asset": asset_name(body.asset_bought),
        "bought_amount": bought,
        "price_n": price.numerator if price is not None else None,
        "price_d": price.denominator if price is not None else None,
    }


def _seller(atom: xdr.ClaimAtom) -> str:
    if atom.v0:
        return StrKey.encode_ed25519_public_key(atom.v0.seller_ed25519.uint256)
    assert atom.order_book is not None
    return account_id(atom.order_book.seller_id)


def _fees(one: Applied) -> Values:
    """Read what the payer's balance lost before and gained after the transaction."""
    data = getattr(one.inner.ext, "soroban_data", None)
    before = _gained(one.fees.fee_processing)
    if data is None:
        return {"inclusion_fee_charged": -before, "resource_fee_refund": None}
    after = getattr(one.fees, "post_tx_apply_fee_processing", None)
    if after is None:
        body = one.meta.v3 or one.meta.v4
        after = body.tx_changes_after if body else xdr.LedgerEntryChanges([])
    offered = data.resource_fee.int64
    return {
        "inclusion_fee_charged": -before - offered,
        "resource_fee_refund": _gained(after),
    }


def _gained(changes: xdr.LedgerEntryChanges) -> int:
    balances = [
        (item.state is not None, item_entry.data.account.balance.int64)
        for item in changes.ledger_entry_changes
        if (item_entry := entry_of(item)) is not None and item_entry.data.account
    ]
    return sum(-balance if is_state else balance for is_state, balance in balances)


def _account_of(muxed: xdr.MuxedAccount) -> str:
    key = muxed.ed25519 or (muxed.med25519 and muxed.med25519.ed25519)
    assert key is not None
    return StrKey.encode_ed25519_public_key(key.uint256)
