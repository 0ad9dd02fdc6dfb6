"""Train a classifier: ``bin/nightjar train`` as a job of its own."""

from __future__ import annotations

import sys

from broker.commands.app import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
