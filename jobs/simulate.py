"""Play a night into Kafka: ``bin/nightjar simulate`` as a job of its own."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["simulate", *sys.argv[1:]]))
