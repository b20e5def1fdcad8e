"""Blocks: settings and secrets, each with one method that builds the core's object."""

from blocks.data_lake import DataLake
from blocks.database import Database
from blocks.stellar_rpc import StellarRpc

__all__ = ["DataLake", "Database", "StellarRpc"]
