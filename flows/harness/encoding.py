"""Let a program print any text, whatever the terminal's encoding is."""

import sys
from io import TextIOWrapper


def print_any_text() -> None:
    """Print a question mark for a character that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
