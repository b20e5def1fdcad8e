"""The audit: compare what a stream holds with what it promises and with what the node says.

Reads and compares; the flow `audit` decides what to look at, and repairs.
"""
