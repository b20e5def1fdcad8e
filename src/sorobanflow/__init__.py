"""Index the Stellar network's smart-contract activity into PostgreSQL.

The core of sorobanflow. It imports no Prefect, reads no environment and holds
no global state; the packages `blocks`, `tasks` and `flows` give it settings,
policy and order. Data moves `rpc` → `decode` → `rows` → `store`.
"""
