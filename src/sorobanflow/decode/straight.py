"""Generate the code for a type of XDR, from its description.

There are four forms: `read` gives the SEP-51 value, `parts` what rows are made of, `text` the JSON
of the SEP-51 value, and `skip` only the position after it.
A type writes its lines into a `Code`, its parts write theirs between them, and all of them become
one function of `data` (bytes) and `at` (a position), which is made when it is first used. It has no
loops over fields and few calls, so it takes two thirds of the time of functions that call each
other. `print(code_of_read(kind).text())` shows it.
Invariant: only what the types of this package describe becomes code, never data of the chain.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

#: What `XdrType.parts` reads.
Parts: TypeAlias = Any
Read: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
Text: TypeAlias = Callable[[bytes, int], tuple[str, int]]
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
    """A type; its functions take bytes and a position, and give the position after the value.

    A subclass writes the lines of each: see `write_read`, `write_parts`, `write_text` and
    `write_skip`.
    """

    size: int | None = None  # in bytes, if it is constant and any bytes are valid
    code: str = ""  # for `struct`, if the size is constant
    form: Form | None = None  # converts what the code unpacks to SEP-51, if they differ
    is_escaped: bool = False  # whether JSON escapes some of what `form` gives

    def write_read(self, code: Code) -> str:
        """Add the lines that read a value and move `at` after it; give the value's expression."""
        value = code.variable()
        code.add(f"{value}, at = {code.bind(self)}.read(data, at)")
        return value

    def write_parts(self, code: Code) -> str:
        """Add the lines that read a value; give the expression of what `parts` gives."""
        value = code.variable()
        code.add(f"{value}, at = {code.bind(self)}.parts(data, at)")
        return value

    def write_text(self, code: Code) -> str:
        """Add the lines that read a value, as `write_read`; give its JSON, as part of an f'…'."""
        value = code.variable()
        code.add(f"{value}, at = {code.bind(self)}.text(data, at)")
        return f"{{{value}}}"

    def write_skip(self, code: Code) -> None:
        """Add the lines that move `at` after a value."""
        code.add(f"at = {code.bind(self)}.skip(data, at)")

    def formed(self, code: Code, value: str) -> str:
        """Give the expression of the form of what the code unpacked."""
        return value if self.form is None else f"{code.bind(self.form)}({value})"

    def parted(self, code: Code, value: str) -> str:
        """Give the expression of what `parts` gives for what the code unpacked."""
        return value if self.form in (str, bytes.hex) else self.formed(code, value)

    def formed_text(self, code: Code, value: str) -> str:
        """Give the JSON of what the code unpacked, as part of an f'…': a number, or a string."""
        expression = self.formed(code, value)
        if self.is_escaped:
            return f"{{{code.bind(_quote)}({expression})}}"
        return f"{{{expression}}}" if self.form is None else f'"{{{expression}}}"'

    @cached_property
    def read(self) -> Read:
        """Read a value in its SEP-51 form."""
        return code_of_read(self).function()

    @cached_property
    def parts(self) -> Read:
        """Read a value as rows take it.

        A struct is a tuple of its fields, a union a pair of its arm's name and content. Numbers
        are of type int, and opaque bytes of type bytes. `decode.parts` has types that are JSON.
        """
        code = Code()
        value = self.write_parts(code)
        code.add(f"return {value}, at")
        return code.function()

    @cached_property
    def text(self) -> Text:
        """Read a value as the compact JSON of its SEP-51 form: printable ASCII."""
        return code_of_text(self).function()

    @cached_property
    def skip(self) -> Skip:
        """Skip a value."""
        code = Code()
        self.write_skip(code)
        code.add("return at")
        return code.function()


class Formed(XdrType):
    """A type whose code gives what is not SEP-51 yet: `form` makes it that."""

    def write_content(self, code: Code) -> str:
        """Add the lines that read what the form takes; give its variable."""
        raise NotImplementedError

    def write_read(self, code: Code) -> str:
        """Add the lines that read a value; see `XdrType`."""
        return self.formed(code, self.write_content(code))

    def write_parts(self, code: Code) -> str:
        """Add the lines that read a value, for rows; see `XdrType`."""
        return self.parted(code, self.write_content(code))

    def write_text(self, code: Code) -> str:
        """Add the lines that read a value, for its JSON; see `XdrType`."""
        return self.formed_text(code, self.write_content(code))


class ByHand(XdrType):
    """A type that is read and skipped by functions written by hand; without `text`, it is read."""

    def __init__(
        self, read: Read, skip: Skip, size: int | None = None, text: Text | None = None
    ) -> None:
        self.read, self.parts, self.skip, self.size = read, read, skip, size
        self.text = text or self._encoded

    def _encoded(self, data: bytes, at: int) -> tuple[str, int]:
        value, at = self.read(data, at)
        return msgspec.json.encode(value).decode(), at


def _quote(text: str) -> str:
    if '"' in text or "\\" in text:
        return msgspec.json.encode(text).decode()
    return f'"{text}"'


def code_of_read(kind: XdrType) -> Code:
    """Write the function that reads a type."""
    code = Code()
    value = kind.write_read(code)
    code.add(f"return {value}, at")
    return code


def code_of_text(kind: XdrType) -> Code:
    """Write the function that gives a type's JSON."""
    code = Code()
    text = kind.write_text(code)
    code.add(f"return f'{text}', at")
    return code
