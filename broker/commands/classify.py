"""``nightjar classify``: score any light curves with the classifier that the stream runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    light_curves: Annotated[
        Path,
        typer.Argument(
            help="Parquet with objectId, mjd, band, mag, magerr (or flux, flux_err in nJy)."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Parquet that gets one row per object.")],
    survey: Annotated[str, typer.Option(help="Survey whose classifier to use.")] = "ztf",
    max_age: Annotated[
        float | None,
        typer.Option(min=0, help="Detections up to so many days after the first alone."),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(min=0, help="Of these the last days alone; 30: as in a ZTF packet."),
    ] = None,
) -> None:
    """Score light curves: score, label, probabilities, n_points, or the reason for none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from broker.science.classifier.light_curve_table import (
        cut_light_curves,
        read_light_curves,
        score_light_curves,
    )
    from broker.science.classifier.model import declared_model

    declared_model(survey)  # before the file is read
    curves = cut_light_curves(read_light_curves(light_curves, survey), max_age, window)
    scores = score_light_curves(curves, survey)
    pq.write_table(scores, out)
    print(f"{len(scores)} objects, {len(scores) - scores['score'].null_count} scored → {out}")
    for row in pc.value_counts(scores["reason"].drop_null()).to_pylist():
        print(f"  {row['counts']} {row['values']}")
