"""Flows: order, ranges and concurrency; one file per flow."""
