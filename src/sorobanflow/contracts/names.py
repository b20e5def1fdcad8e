"""Names of schemas, views and columns, made of names that contracts choose.

Invariant: a name has at most 63 ASCII characters, lower-case letters, digits and "_", is no
reserved word, and is unlike the others of its kind. So it needs no quotes; `quote` is for others.
"""

import re
from collections.abc import Container

from sorobanflow.errors import ConfigurationError

#: PostgreSQL cuts longer names.
MAX_LENGTH = 63
_NO_LETTERS = re.compile(r"[^a-z0-9]+")
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
#: Schemas of this program and of PostgreSQL.
_SCHEMAS = ("public", "stored", "unmoved", "information_schema")

#: Key words that are reserved, some but for functions and types, in PostgreSQL 14 to 18.
_WORDS = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check
    collate collation column concurrently constraint create cross current_catalog current_date
    current_role current_schema current_time current_timestamp current_user default deferrable
    desc distinct do else end except false fetch for foreign freeze from full grant group having
    ilike in initially inner intersect into is isnull join lateral leading left like limit
    localtime localtimestamp natural not notnull null offset on only or order outer overlaps
    placing primary references returning right select session_user similar some symmetric
    system_user table tablesample then to trailing true union unique user using variadic verbose
    when where window with
"""
RESERVED = frozenset(_WORDS.split())


def safe_name(name: str, taken: Container[str] = (), fallback: str = "unnamed") -> str:
    """Write a name as PostgreSQL takes it without quotes: AmountIn as amount_in, from as from_.

    Args:
        name: What a contract calls it.
        taken: Names that are in use; the result is none of them.
        fallback: Instead of a name without letters and digits.
    """
    words = _NO_LETTERS.sub("_", _WORD_BEGINS.sub("_", name).lower()).strip("_") or fallback
    if words[0].isdigit():
        words = f"_{words}"
    words = words[:MAX_LENGTH]
    free = f"{words}_" if words in RESERVED else words
    number = 2
    while free in taken:
        free = f"{words[: MAX_LENGTH - len(str(number)) - 1]}_{number}"
        number += 1
    return free


def check_schema_name(name: str) -> None:
    """Refuse what is no name of a schema of its own.

    Raises:
        ConfigurationError: it needs quotes, is PostgreSQL's or this program's, or too long.
    """
    if not _SCHEMA_NAME.fullmatch(name) or name in RESERVED or name.startswith("pg_"):
        raise ConfigurationError(
            f"{name[:70]!r} cannot be the name of a schema; expected up to 63 of a-z, 0-9 and _, "
            "not beginning with a digit or pg_, and no reserved word"
        )
    if name in _SCHEMAS:
        raise ConfigurationError(f"{name!r} is a schema of its own; choose another name")


def quote(name: str) -> str:
    """Write an identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
