"""The method getLedgers: whole ledgers, a page at a time.

Two quirks are the node's. A cursor at the newest ledger is an error, not an empty page.
A node with a data store behind it answers below the oldest ledger that it states.
Source: RPC getLedgers.
"""

import re
from base64 import b64encode
from typing import Any

from sorobanflow.devnet.chain import Chain
from sorobanflow.devnet.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from sorobanflow.devnet.paging import check_page
from sorobanflow.devnet.params import MAX_U32, Params
from sorobanflow.devnet.supply import NoWholeLedgersError
from sorobanflow.devnet.whole_ledger import header_entry
from sorobanflow.ledgers import LedgerRange

DEFAULT_LIMIT, MAX_LIMIT = 50, 200  # ledgers

_UNSIGNED = re.compile(r"\d+", re.ASCII)


def get_ledgers(chain: Chain, window: LedgerRange, params: object) -> dict[str, Any]:
    """Answer getLedgers; without whole ledgers, as a node that has no such method.

    Raises:
        BadParams: the node could not decode the parameters.
        RpcError: the node would refuse them.
    """
    named = Params(params)
    pagination = named.object("pagination")
    start, cursor, limit = (
        named.u32("startLedger"),
        pagination.text("cursor"),
        pagination.u32("limit"),
    )
    ledgers = chain.with_data_store(window)
    check_page(start, cursor, limit, MAX_LIMIT, ledgers)
    start = _after(cursor, ledgers) if cursor else start
    end = min(start + (limit or DEFAULT_LIMIT), ledgers.last + 1)
    try:
        page = [render_ledger(chain, sequence) for sequence in range(start, end)]
    except NoWholeLedgersError:
        raise RpcError(METHOD_NOT_FOUND, "method not found", "getLedgers") from None
    return {
        "ledgers": page,
        "latestLedger": window.last,
        "latestLedgerCloseTime": chain.close_time(window.last),
        "oldestLedger": window.first,
        "oldestLedgerCloseTime": chain.close_time(window.first),
        "cursor": str(end - 1),
    }


def render_ledger(chain: Chain, sequence: int) -> dict[str, Any]:
    """Render one ledger as an item of the page."""
    meta = chain.close_meta(sequence)
    header = header_entry(meta)
    return {
        "hash": header[:32].hex(),
        "sequence": sequence,
        "ledgerCloseTime": str(chain.close_time(sequence)),
        "headerXdr": b64encode(header).decode(),
        "metadataXdr": b64encode(meta).decode(),
    }


def _after(cursor: str, ledgers: LedgerRange) -> int:
    if not _UNSIGNED.fullmatch(cursor):
        raise RpcError(INVALID_PARAMS, f'strconv.ParseUint: parsing "{cursor}": invalid syntax')
    if int(cursor) > MAX_U32:
        raise RpcError(INVALID_PARAMS, f'strconv.ParseUint: parsing "{cursor}": value out of range')
    if not ledgers.holds(int(cursor) + 1):
        raise RpcError(
            INVALID_PARAMS,
            f"cursor ('{cursor}') must be between the oldest ledger: {ledgers.first} "
            f"and the latest ledger: {ledgers.last} for this rpc instance",
        )
    return int(cursor) + 1
