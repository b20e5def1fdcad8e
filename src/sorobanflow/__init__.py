"""Index the Stellar network's smart-contract activity into PostgreSQL.

Invariant: the core imports no Prefect, reads no environment and holds no global state;
`blocks`, `tasks` and `flows` give it settings, policy and order.
"""
