"""Kafka without Spark: the embedded server, and clients."""
