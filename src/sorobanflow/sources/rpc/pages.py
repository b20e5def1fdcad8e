"""Pages of one RPC method, as large as the node allows.

Between the client and its calls. Invariant: a page that the node refuses for its size
is asked for again with fewer items; an error means that asking for less does not help.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from sorobanflow.errors import AnswerTooLargeError, RpcRequestError, RpcTimeoutError
from sorobanflow.sources.rpc.call_sizes import CallSize
from sorobanflow.sources.rpc.calls import Calls, Timed
from sorobanflow.sources.rpc.jsonrpc import decode_as, page_limit
from sorobanflow.sources.rpc.wire import EventsPage, TransactionsPage

PageT = TypeVar("PageT", EventsPage, TransactionsPage)


class Pages(Generic[PageT]):
    """Asks for pages of a method; shared by threads."""

    def __init__(self, calls: Calls, method: str, size: CallSize, page_type: type[PageT]) -> None:
        self._calls = calls
        self._method = method
        self._size = size
        self._decoder: msgspec.json.Decoder[PageT] = msgspec.json.Decoder(page_type, strict=False)

    def get(self, params: Mapping[str, Any], cursor: str, wanted: int, ledger: int) -> PageT:
        """Get a page; of a size that is refused, a smaller one at once.

        Args:
            params: Where the page starts, unless it starts after a cursor.
            cursor: The cursor, or nothing.
            wanted: Max items.
            ledger: The ledger that the page starts at.

        Raises:
            RpcTimeoutError: no answer in time; the next call asks for less.
            AnswerTooLargeError: even one item is too large.
        """
        while True:
            limit = min(wanted, self._size.items)
            pagination = {"cursor": cursor, "limit": limit} if cursor else {"limit": limit}
            try:
                page, seconds = self._ask({**params, "pagination": pagination}, ledger)
            except RpcTimeoutError:
                self._size.fail(limit)
                raise
            except AnswerTooLargeError:
                if limit == 1:
                    raise
                self._size.fail(limit)
            except RpcRequestError as error:
                stated = page_limit(error.message)
                if stated is None or not 0 < stated < limit:
                    raise
                self._size.state(stated)
            else:
                self._size.succeed(page.size, seconds)
                return page

    def _ask(self, params: Mapping[str, Any], ledger: int) -> Timed[PageT]:
        def read(result: msgspec.Raw) -> PageT:
            return decode_as(self._method, result, self._decoder)

        return self._calls.retried(
            self._method, lambda: self._calls.once(self._method, params, read, ledger)
        )
