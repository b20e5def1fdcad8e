"""Flows: order, ranges and concurrency; one file per flow."""

import atexit
import gc
import os

# Read when Prefect is imported, which would else tell its makers about a first run.
os.environ.setdefault("DO_NOT_TRACK", "1")

from sorobanflow.extras import require

require("flows", "prefect")

# A process that ends would first look through all that Prefect made for garbage: 0.7 s of CPU.
atexit.register(gc.freeze)
