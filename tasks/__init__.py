"""Tasks: policy (retries, names, logging) around one call into the core."""
