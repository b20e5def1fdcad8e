"""Blocks: settings and secrets, each with one method that builds the core's object."""
