"""The status: the state of the node, the database and each stream, and what is wrong.

`read` reads, `health` judges, `report` shows; nothing is written.
"""
