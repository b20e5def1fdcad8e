"""Turn decoded values into rows, one module per family of tables."""
