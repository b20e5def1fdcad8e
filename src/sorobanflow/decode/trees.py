"""Types that hold themselves; see `straight`.

Invariant: a tree nests no deeper than it says, so hostile data cannot exhaust the stack.
"""

from sorobanflow.decode.composites import struct
from sorobanflow.decode.reader import Json, count_items
from sorobanflow.decode.straight import ByHand, XdrType


def tree(name: str, children: str, depth: int, **fields: XdrType) -> XdrType:
    """Describe a struct whose last field, `children`, is an array of the struct itself."""
    head = struct(**fields)

    def count(data: bytes, at: int, outer: int) -> int:
        number = count_items(data, at)
        if number and outer == depth:
            raise ValueError(f"{name} nests deeper than {depth}")
        return number

    def read(data: bytes, at: int, outer: int = 0) -> tuple[Json, int]:
        value, end = head.read(data, at)
        at = end + 4
        items = value[children] = []
        for _ in range(count(data, end, outer)):
            item, at = read(data, at, outer + 1)
            items.append(item)
        return value, at

    def text(data: bytes, at: int, outer: int = 0) -> tuple[str, int]:
        start, end = head.text(data, at)
        at = end + 4
        items = []
        for _ in range(count(data, end, outer)):
            item, at = text(data, at, outer + 1)
            items.append(item)
        return f'{start[:-1]},"{children}":[{",".join(items)}]}}', at

    return ByHand(read, lambda data, at: read(data, at)[1], text=text)
