"""Train a survey's classifier and write it with its model card.

The committed models come from::

    jobs/train_classifier.py --survey ztf --data ../shared/data
    jobs/train_classifier.py --survey elasticc --data ../shared/data
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from broker.errors import NightjarError
from broker.science.classifier.model import MODELS


def main(
    survey: Annotated[str, typer.Option(help="ztf or elasticc.")],
    data: Annotated[Path, typer.Option(help="Folder with labelled/, ztf/ and ztf_rebuilt/.")],
    out: Annotated[Path, typer.Option(help="Folder that gets the model's folder.")] = MODELS,
    threads: Annotated[int, typer.Option(min=1, help="Threads of LightGBM.")] = 1,
) -> None:
    """Cross-validate, fit on everything, write the model and its card."""
    from broker.training.train import train

    print(f"written: {train(survey, data, out, threads, lambda line: print(line, flush=True))}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except NightjarError as error:
        print(f"train_classifier: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
