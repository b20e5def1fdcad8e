"""Read a data lake (SEP-54): its layout, its stores, and its whole ledgers as a source."""
