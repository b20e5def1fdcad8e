"""Talk to a Stellar RPC node: wire types, transport, breaker, retries, paging."""
