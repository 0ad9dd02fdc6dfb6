"""``nightjar classify``: which light curves go in, how they are cut, what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from broker.commands.app import main
from broker.errors import InputError
from broker.science.classifier.light_curve_table import (
    cut_light_curves,
    read_light_curves,
    score_light_curves,
)
from broker.units import flux_err_from_mag, flux_from_mag


def rows(n_objects: int = 6, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    parts = [
        pd.DataFrame(
            {
                "objectId": f"ZTF{k}",
                "mjd": np.sort(random.uniform(59000, 59060, 12)),
                "band": random.choice(["g", "R"], 12),
                "mag": random.uniform(17, 20, 12),
                "magerr": 0.1,
            }
        )
        for k in range(n_objects)
    ]
    return pd.concat(parts, ignore_index=True)


def score(
    table: pd.DataFrame,
    folder: Path,
    survey: str = "ztf",
    max_age: float | None = None,
    window: float | None = None,
) -> pd.DataFrame:
    path = folder / "curves.parquet"
    table.to_parquet(path)
    curves = cut_light_curves(read_light_curves(path, survey), max_age, window)
    return score_light_curves(curves, survey).to_pandas().set_index("objectId")


def test_there_is_one_row_per_object_with_score_or_reason(tmp_path: Path) -> None:
    table = pd.concat([rows(), rows(1, seed=2).head(2).assign(objectId="few")])
    found = score(table, tmp_path)
    assert list(found.columns) == ["score", "label", "probabilities", "n_points", "reason"]
    assert list(found.index) == [*(f"ZTF{k}" for k in range(6)), "few"]
    assert found.score[:6].between(0, 1).all()
    assert found.reason["few"] == "too_few_points"
    assert pd.isna(found.score["few"])
    assert found.n_points["few"] == 2


def test_neither_the_order_of_rows_nor_other_objects_matter(tmp_path: Path) -> None:
    table = rows(40)
    whole = score(table, tmp_path)
    shuffled = score(table.sample(frac=1, random_state=1), tmp_path)
    alone = score(table[table.objectId == "ZTF7"], tmp_path)
    pd.testing.assert_frame_equal(whole, shuffled.loc[whole.index])
    pd.testing.assert_frame_equal(whole.loc[["ZTF7"]], alone)


def test_r_and_capital_r_are_one_band_and_i_is_ignored(tmp_path: Path) -> None:
    table = rows()
    extra = table.head(12).assign(band="i", mjd=table.mjd.head(12) + 0.3)
    small = pd.concat([table.assign(band=table.band.str.lower()), extra])
    pd.testing.assert_frame_equal(score(table, tmp_path), score(small, tmp_path))


def test_max_age_and_window_keep_the_first_and_of_those_the_last_days(tmp_path: Path) -> None:
    table = rows()
    first = table.groupby("objectId").mjd.transform("min")
    young = table[table.mjd <= first + 40]
    last = young.groupby("objectId").mjd.transform("max")
    expected = score(young[young.mjd >= last - 30], tmp_path)
    pd.testing.assert_frame_equal(score(table, tmp_path, max_age=40, window=30), expected)


def test_repeated_and_unmeasured_rows_change_nothing(tmp_path: Path) -> None:
    table = rows()
    worse = table.head(5).assign(mag=table.mag.head(5) + 1, magerr=0.5)
    missing = table.head(3).assign(mjd=table.mjd.head(3) + 0.5, mag=np.nan)
    found = score(pd.concat([worse, table, missing]), tmp_path)
    pd.testing.assert_frame_equal(found, score(table, tmp_path))


def test_fluxes_do_instead_of_magnitudes_and_negative_ones_are_left_out(tmp_path: Path) -> None:
    table = rows().assign(band="g")
    table.loc[::3, "band"] = "Y"
    flux = flux_from_mag(table.mag.to_numpy())
    fluxes = table.drop(columns=["mag", "magerr"]).assign(
        flux=flux, flux_err=flux_err_from_mag(flux, np.full(len(flux), 0.1))
    )
    negative = fluxes.head(4).assign(flux=-1000.0, mjd=fluxes.mjd.head(4) + 0.1)
    found = score(pd.concat([fluxes, negative]), tmp_path, "elasticc")
    pd.testing.assert_frame_equal(found, score(table, tmp_path, "elasticc"))


def test_more_than_400_days_of_detections_are_long_lived(tmp_path: Path) -> None:
    table = rows(1)
    old = pd.concat([table, table.tail(1).assign(mjd=59500.0)])
    assert score(old, tmp_path).reason["ZTF0"] == "long_lived"
    assert score(old, tmp_path, max_age=100).reason["ZTF0"] is None


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column magerr; it has objectId, mjd, band, mag;"):
        score(rows().drop(columns="magerr"), tmp_path)


def test_an_unknown_band_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown band 'J'; ztf has g, r, R, i"):
        score(rows().assign(band="J"), tmp_path)


def test_the_command_writes_scores_and_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    rows().to_parquet(source)
    words = ["classify", "--survey", "ztf", str(source), "--out", str(target), "--window", "30"]
    assert main(words) == 0
    assert "6 objects" in capsys.readouterr().out
    assert len(pd.read_parquet(target)) == 6


def test_a_file_that_is_no_parquet_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.parquet"
    source.write_text("objectId,mjd")
    assert main(["classify", str(source), "--out", str(tmp_path / "out.parquet")]) == 2
    assert "cannot be read as Parquet" in capsys.readouterr().err
