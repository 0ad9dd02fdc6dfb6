"""``nightjar classify``: score any light curves with the classifier that the stream runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.options import OUT, SurveyOption


def main(
    light_curves: Annotated[
        Path,
        typer.Argument(
            help="Parquet with objectId, mjd, band, mag, magerr (or flux, flux_err in nJy)."
        ),
    ],
    *,
    out: Annotated[Path, OUT],
    survey: SurveyOption = None,
    max_age: Annotated[
        float | None,
        typer.Option(min=0, help="Only detections at most this many days after the first."),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(min=0, help="Of these only the last days; 30: as in a ZTF packet."),
    ] = None,
) -> None:
    """Score light curves: score, label, probabilities, n_points, or the reason for none.

    --out FILE.parquet gets one row per object.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from broker.plural import counted
    from broker.science.classifier.light_curve_table import (
        cut_light_curves,
        read_light_curves,
        score_light_curves,
    )
    from broker.science.classifier.model import declared_model
    from broker.settings import load_settings

    name = load_settings(survey).survey
    declared_model(name)  # before the file is read
    curves = cut_light_curves(read_light_curves(light_curves, name), max_age, window)
    scores = score_light_curves(curves, name)
    pq.write_table(scores, out)
    scored = len(scores) - scores["score"].null_count
    print(f"{counted(len(scores), 'object')}, {scored} scored → {out}")
    for row in pc.value_counts(scores["reason"].drop_null()).to_pylist():
        print(f"  {row['counts']} {row['values']}")
