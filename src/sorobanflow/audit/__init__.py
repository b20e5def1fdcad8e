"""The audit: compare a stream with its promise and the node; the flow `audit` repairs."""
