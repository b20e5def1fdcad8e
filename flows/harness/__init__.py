"""What a run needs around its work; no flow needs reading it to be understood."""
