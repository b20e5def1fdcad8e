"""Generate the code that reads or skips a type of XDR, from the description of the type.

A type writes its lines into a `Code`, its parts write theirs between them, and all of them become
one function of `data` (bytes) and `at` (a position), which is made when it is first used. It has no
loops over fields and few calls, so it takes two thirds of the time of functions that call each
other. `print(code_of_read(kind))` shows it.
Invariant: only what the types of this package describe becomes code, never data of the chain.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeAlias

Read: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
Skip: TypeAlias = Callable[[bytes, int], int]
Form: TypeAlias = Callable[[Any], Any]


class Code:
    """The lines of a function, and the objects that they name."""

    def __init__(self) -> None:
        self._lines = ["def step(data, at):"]
        self._indent = "    "
        self._objects: dict[str, Any] = {}

    def add(self, line: str) -> None:
        """Add a line."""
        self._lines.append(self._indent + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent the lines that are added until the block ends, under a line such as `if x:`."""
        self.add(head)
        before, self._indent = self._indent, self._indent + "    "
        yield
        self._indent = before

    def variable(self) -> str:
        """Give a name that is not used yet."""
        name = f"v{len(self._objects)}"
        self._objects[name] = None
        return name

    def bind(self, value: object) -> str:
        """Give a name for an object, by which the lines can reach it."""
        name = f"o{len(self._objects)}"
        self._objects[name] = value
        return name

    def text(self) -> str:
        """Give the function's source."""
        return "\n".join(self._lines)

    def function(self) -> Callable[[bytes, int], Any]:
        """Make the function."""
        names = dict(self._objects)
        exec(compile(self.text(), "<straight code>", "exec"), names)  # noqa: S102 # see the top
        step: Callable[[bytes, int], Any] = names["step"]
        return step


class XdrType:
    """A type; `read` and `skip` take bytes and a position, and give the position after the value.

    A subclass writes the lines of both: see `write_read` and `write_skip`.
    """

    size: int | None = None  # in bytes, if it is constant and any bytes are valid
    code: str = ""  # for `struct`, if the size is constant
    form: Form | None = None  # converts what the code unpacks to SEP-51, if they differ

    def write_read(self, code: Code) -> str:
        """Add the lines that read a value and move `at` after it; give the value's expression."""
        value = code.variable()
        code.add(f"{value}, at = {code.bind(self)}.read(data, at)")
        return value

    def write_skip(self, code: Code) -> None:
        """Add the lines that move `at` after a value."""
        code.add(f"at = {code.bind(self)}.skip(data, at)")

    @cached_property
    def read(self) -> Read:
        """Read a value in its SEP-51 form."""
        return code_of_read(self).function()

    @cached_property
    def skip(self) -> Skip:
        """Skip a value."""
        code = Code()
        self.write_skip(code)
        code.add("return at")
        return code.function()


class ByHand(XdrType):
    """A type that is read and skipped by functions written by hand."""

    def __init__(self, read: Read, skip: Skip, size: int | None = None) -> None:
        self.read, self.skip, self.size = read, skip, size


def code_of_read(kind: XdrType) -> Code:
    """Write the function that reads a type."""
    code = Code()
    value = kind.write_read(code)
    code.add(f"return {value}, at")
    return code
