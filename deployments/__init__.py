"""Deployments: when and where; block registration and the local run."""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")  # see `flows`
