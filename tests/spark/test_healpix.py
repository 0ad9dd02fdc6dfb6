"""Cells computed by Spark are those of cdshealpix."""

from __future__ import annotations

import cdshealpix
import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import Latitude, Longitude
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from broker.ingest.healpix import healpix29

CORNERS = [
    *((ra, dec) for ra in (0.0, 90.0, 180.0, 270.0, 12.0) for dec in (-90.0, 90.0)),
    *((ra, 0.0) for ra in (0.0, 45.0, 90.0, 135.0, 180.0, 270.0, 315.0)),
    *((ra, dec) for ra in (0.0, 1e-9, 359.9999999) for dec in (89.9999999, -89.9999999, 60.0)),
]


def positions() -> tuple[np.ndarray, np.ndarray]:
    """All over the sky, close to both poles, and where base cells meet."""
    random = np.random.default_rng(11)
    ra = random.uniform(0, 360, 6_000)
    sky = np.degrees(np.arcsin(random.uniform(-1, 1, 4_000)))
    poles = random.choice([-1, 1], 2_000) * (90 - 10 ** random.uniform(-9, 1, 2_000))
    corners = np.array(CORNERS)
    return np.append(ra, corners[:, 0]), np.concatenate([sky, poles, corners[:, 1]])


def test_cells_are_those_of_cdshealpix(spark: SparkSession) -> None:
    ra, dec = positions()
    expected = cdshealpix.nested.lonlat_to_healpix(
        Longitude(ra, u.deg), Latitude(dec, u.deg), 29
    ).astype(np.int64)
    rows = spark.createDataFrame(pd.DataFrame({"ra": ra, "dec": dec, "cell": expected}))
    found = rows.select("ra", "dec", healpix29(rows.ra, rows.dec).alias("cell"))
    assert_df_equality(found, rows, ignore_row_order=True, ignore_nullable=True)
