"""Prometheus metrics: their names, the sink that counts, and what a server exports."""
