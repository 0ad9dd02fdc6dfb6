"""``nightjar train``: a survey's classifier from labelled light curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.options import DATA, OutOption, SurveyOption
from broker.settings import load_settings


def main(
    data: Annotated[Path, DATA],
    survey: SurveyOption = None,
    out: OutOption = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of LightGBM.")] = 1,
) -> None:
    """Train a survey's classifier: cross-validate, fit on everything, write the model and its card.

    --data is a folder with labelled/, ztf/ and ztf_rebuilt/. --out gets the model's folder, by
    default that of the models in use.
    """
    from broker.science.classifier.model import MODELS
    from broker.training.train import train

    name = load_settings(survey).survey
    folder = train(name, data, out or MODELS, threads, lambda line: print(line, flush=True))
    print(f"written: {folder}")
