"""A local Stellar RPC over HTTP that serves recorded or generated ledgers."""
