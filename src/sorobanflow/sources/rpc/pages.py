"""Get a page of a method, of the size that suits the node.

Invariant: what the node states or cannot answer reduces the size of pages; it never
changes which items they hold.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from sorobanflow.errors import AnswerTooLargeError, RpcRequestError, RpcTimeoutError
from sorobanflow.sources.rpc.call_sizes import CallSize
from sorobanflow.sources.rpc.calls import Calls
from sorobanflow.sources.rpc.jsonrpc import Decoder, page_limit
from sorobanflow.sources.rpc.wire import EventsPage, LedgersPage, TransactionsPage

PageT = TypeVar("PageT", bound=EventsPage[Any] | TransactionsPage[Any] | LedgersPage)


class Pages:
    """Gets pages; `sizes` has the size of each method's, and is shared by threads."""

    def __init__(self, calls: Calls, sizes: Mapping[str, CallSize]) -> None:
        self._calls = calls
        self._sizes = sizes

    def get(
        self,
        method: str,
        decoder: Decoder[PageT],
        params: Mapping[str, Any],
        cursor: str,
        wanted: int,
        ledger: int,
    ) -> PageT:
        """Get a page that starts at a ledger; if its size is refused, a smaller one."""
        size = self._sizes[method]
        while True:
            limit = min(wanted, size.items)
            pagination = {"cursor": cursor, "limit": limit} if cursor else {"limit": limit}
            try:
                asked = {**params, "pagination": pagination}
                page, seconds = self._calls.ask(method, decoder, asked, ledger)
            except RpcTimeoutError:  # the next call asks for less
                size.fail(limit)
                raise
            except AnswerTooLargeError:
                if limit == 1:
                    raise
                size.fail(limit)
            except RpcRequestError as error:
                stated = page_limit(error.message)
                if stated is None or not 0 < stated < limit:
                    raise
                size.state(stated)
            else:
                size.succeed(page.size, seconds)
                return page
