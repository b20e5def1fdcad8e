"""The audit: compare a stream with what it promises and with the node; the flow repairs."""
