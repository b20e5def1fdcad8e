"""Measurements: ratios between runs of one session, never absolute promises."""
