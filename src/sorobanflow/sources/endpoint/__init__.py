"""Calls to an endpoint that may fail: HTTP, retries, circuit breaker, adaptive concurrency."""
