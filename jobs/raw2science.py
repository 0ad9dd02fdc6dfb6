"""Raw to science tables: ``bin/nightjar run --stage science`` for spark-submit."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["run", "--stage", "science", *sys.argv[1:]]))
