"""Flows: order, ranges and concurrency; one file per flow."""

import os

# Read when Prefect is imported, which would else tell its makers about a first run.
os.environ.setdefault("DO_NOT_TRACK", "1")

from sorobanflow.extras import require

require("flows", "prefect")
