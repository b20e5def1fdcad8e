"""Deployments: when and where; block registration and the local run."""
