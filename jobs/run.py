"""All stages in one application: ``bin/nightjar run`` for spark-submit."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
