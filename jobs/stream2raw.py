"""Kafka to raw tables: ``bin/nightjar run --stage raw`` for spark-submit."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["run", "--stage", "raw", *sys.argv[1:]]))
