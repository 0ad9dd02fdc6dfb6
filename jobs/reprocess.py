"""Run science again on closed nights: ``bin/nightjar reprocess`` for spark-submit."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["reprocess", *sys.argv[1:]]))
