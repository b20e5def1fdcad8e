"""What a run needs around its work. You can read a flow without reading this."""
