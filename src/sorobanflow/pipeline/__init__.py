"""Batches in flight: what is fetched, decoded and written when."""
