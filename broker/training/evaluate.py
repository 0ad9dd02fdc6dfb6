"""Print what five folds by object give, without writing anything.

``python -m broker.training.evaluate --survey ztf --data ../shared/data``
"""

from __future__ import annotations

import argparse
from pathlib import Path

from broker.training.cross_validate import cross_validate
from broker.training.results import summarise, table
from broker.training.sources import read_training_set


def main() -> None:
    """Read, cross-validate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--survey", required=True, choices=["ztf", "elasticc"])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--threads", type=int, default=1)
    words = parser.parse_args()
    out = cross_validate(read_training_set(words.survey, words.data), words.threads)
    print(table(summarise(words.survey, out)))


if __name__ == "__main__":
    main()
