"""Close nights: ``bin/nightjar archive`` for spark-submit."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["archive", *sys.argv[1:]]))
