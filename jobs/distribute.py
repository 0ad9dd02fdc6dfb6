"""Science tables to Kafka topics: ``bin/nightjar run --stage distribute`` for spark-submit."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["run", "--stage", "distribute", *sys.argv[1:]]))
