"""Turn decoded values into rows of the tables: pure functions.

They raise nothing but `DecodeError`, for a value that does not have its form.
"""
