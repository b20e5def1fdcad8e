"""The audit: compare what a stream holds with what it promises and with the node.

Reads and compares; the flow `audit` decides what to look at, and repairs.
"""
