"""The pages that are generated from the program: `docs/tables.md` and `docs/configuration.md`.

Nothing imports this but `python -m docs.generator` and the tests, which compare
the pages with what it gives.
"""
