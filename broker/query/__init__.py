"""The read side: tables queried without Spark."""
