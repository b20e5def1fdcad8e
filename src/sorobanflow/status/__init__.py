"""The status: how the node, the database and each stream are now, and what is wrong.

Reads and judges, and writes nothing; `read` reads, `health` judges, `report` shows.
"""
