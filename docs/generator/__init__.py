"""Generate the pages `docs/tables.md` and `docs/configuration.md` from the program.

Used by `python -m docs.generator`, and by the tests, which check that the pages
are current.
"""
