"""The status of node, database and streams: `read` reads, `health` judges, `report` shows."""
