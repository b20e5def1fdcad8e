"""Types whose `parts` are not those of their fields: a JSON column needs text, a name a strkey.

They are read, written as JSON and skipped as the type that they are made of; see `straight`.
"""

from sorobanflow.decode.straight import Code, XdrType


class _Kind(XdrType):
    """A type whose parts are written otherwise."""

    def __init__(self, kind: XdrType) -> None:
        self._kind, self.size = kind, kind.size

    def write_read(self, code: Code) -> str:
        return self._kind.write_read(code)

    def write_text(self, code: Code) -> str:
        return self._kind.write_text(code)

    def write_skip(self, code: Code) -> None:
        self._kind.write_skip(code)


class _Json(_Kind):
    def write_parts(self, code: Code) -> str:
        text = code.variable()
        code.add(f"{text} = f'{self._kind.write_text(code)}'")
        return text


def as_json(kind: XdrType) -> XdrType:
    """Describe a type whose parts are its JSON text."""
    return _Json(kind)


class _JsonAndXdr(_Json):
    def write_parts(self, code: Code) -> str:
        start, xdr = code.variable(), code.variable()
        code.add(f"{start} = at")
        text = super().write_parts(code)
        code.add(f"{xdr} = data[{start}:at]")
        return f"({text}, {xdr})"


def as_json_and_xdr(kind: XdrType) -> XdrType:
    """Describe a type whose parts are its JSON text and its bytes."""
    return _JsonAndXdr(kind)


class _JsonAndFirst(_Json):
    def __init__(self, kind: XdrType, first: XdrType) -> None:
        super().__init__(kind)
        self._first = first

    def write_parts(self, code: Code) -> str:
        start, first = code.variable(), code.variable()
        code.add(f"{start} = at")
        code.add(f"{first} = {self._first.write_parts(code)}")
        code.add(f"at = {start}")
        return f"({super().write_parts(code)}, {first})"


def as_json_and_first(kind: XdrType, first: XdrType) -> XdrType:
    """Describe a struct whose parts are its JSON text, and the parts of its first field."""
    return _JsonAndFirst(kind, first)


class _Other(_Kind):
    def __init__(self, kind: XdrType, parts: XdrType) -> None:
        super().__init__(kind)
        self._parts = parts

    def write_parts(self, code: Code) -> str:
        return self._parts.write_parts(code)


def with_parts(kind: XdrType, parts: XdrType) -> XdrType:
    """Describe a type whose parts are those of another type of the same bytes."""
    return _Other(kind, parts)
