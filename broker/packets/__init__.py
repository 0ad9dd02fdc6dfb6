"""Alert packets in pure Python: schemas, framings, and files that hold packets."""
