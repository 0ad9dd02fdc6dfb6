"""Columns of the science table that are the same for every survey, apart from the modules'."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from broker.science.engine.to_arrow import named, positive, to_array, to_lists, to_struct
from broker.science.lightcurves.build import LightCurves, build_lightcurves
from broker.science.lightcurves.colour import COLOUR, compute_colours
from broker.science.lightcurves.sky import latitudes
from broker.surveys.arrow_columns import ArrowColumns
from broker.surveys.base import ScienceMapping
from broker.surveys.photometry import (
    BANDS,
    DETECTION,
    KINDS,
    UPPER_LIMIT,
    Photometry,
    Points,
)
from broker.tables.declaration import column
from broker.units import Floats

POINT = pa.struct(
    [
        column("mjd", pa.float64(), "d (MJD, the survey's scale)", "time, as the column mjd"),
        column("band", pa.string(), "", "filter: u g r i z y J H K"),
        column("flux_njy", pa.float64(), "nJy", "difference flux, signed; null for an upper limit"),
        column("flux_err_njy", pa.float64(), "nJy", "1σ error; a fifth of an upper limit"),
        column("mag", pa.float64(), "mag (AB)", "magnitude of abs(flux); forced: from 3σ on"),
        column("mag_err", pa.float64(), "mag", "1σ error of mag"),
        column("is_positive", pa.bool_(), "", "brighter than the reference image"),
        column("mag_limit", pa.float64(), "mag (AB)", "5σ limit of the exposure"),
        column("kind", pa.string(), "", "detection, upper_limit or forced"),
        column("alert_id", pa.int64(), "", "alert that the point came with; null if none"),
        column("real_bogus", pa.float64(), "", "the survey's score of that alert, 0–1 (ZTF: rb)"),
    ]
)
LAST_LIMIT = pa.struct(
    [
        column("mjd", pa.float64(), "d (MJD, the survey's scale)", "time of the upper limit"),
        column("band", pa.string(), "", "its filter"),
        column("mag_limit", pa.float64(), "mag (AB)", "its 5σ limit"),
        column("days_before_first", pa.float64(), "d", "from it to the first detection"),
    ]
)
COMMON = (
    column("gal_lat_deg", pa.float64(), "deg", "galactic latitude"),
    column("ecl_lat_deg", pa.float64(), "deg", "ecliptic latitude (barycentric mean, J2000)"),
    column(
        "mjd",
        pa.float64(),
        "d (MJD, the survey's scale)",
        "time of the alert, as the survey gives it: UTC or TAI, start or midpoint of the exposure",
    ),
    column("mjd_tai_mid", pa.float64(), "d (MJD, TAI)", "midpoint of the exposure"),
    column("band", pa.string(), "", "filter: u g r i z y J H K"),
    column("mag", pa.float64(), "mag (AB)", "magnitude of abs(flux) of the difference"),
    column("mag_err", pa.float64(), "mag", "1σ error of mag"),
    column("flux_njy", pa.float64(), "nJy", "difference flux, negative when fainter"),
    column("flux_err_njy", pa.float64(), "nJy", "1σ error of the flux"),
    column("is_positive", pa.bool_(), "", "brighter than the reference image"),
    column("n_detections", pa.int32(), "", "detections so far, this one included"),
    column("age_days", pa.float64(), "d", "since the first detection"),
    column("last_limit", LAST_LIMIT, "", "last upper limit before the first detection"),
    column("lightcurve", pa.list_(POINT), "", "history and this alert, by time"),
    column("colour", COLOUR, "", "g − r with the nearest detection in the other band within 1 d"),
)
MEASURED = ("mjd", "flux_njy", "flux_err_njy", "mag", "mag_err", "mag_limit", "real_bogus")


def columns_of_packets(
    science: ScienceMapping, packets: ArrowColumns, flux_zero_point: float
) -> tuple[dict[str, pa.Array], LightCurves]:
    """Columns `COMMON` of a batch of packets, and its light curves.

    Parameters
    ----------
    science
        The survey's.
    flux_zero_point
        AB magnitude of the packets' flux 1.
    """
    with np.errstate(all="ignore"):
        photometry = science.read_photometry(packets, flux_zero_point)
        curves = build_lightcurves(photometry)
        return common_columns(photometry, curves), curves


def common_columns(photometry: Photometry, curves: LightCurves) -> dict[str, pa.Array]:
    """Columns `COMMON` of a batch."""
    this = photometry.this
    gal_lat, ecl_lat = latitudes(this.ra_deg, this.dec_deg)
    first = _first_mjd(photometry, curves)
    n_detections = photometry.n_detections
    columns = {
        "gal_lat_deg": gal_lat,
        "ecl_lat_deg": ecl_lat,
        "mjd_tai_mid": photometry.mjd_tai_mid,
        **_brightness(this),
        "n_detections": pa.array(n_detections, mask=n_detections < 0),
        "age_days": this.mjd - first,
        "last_limit": _last_limits(curves, first),
        "lightcurve": to_lists(curves.offsets, _points(curves)),
        "colour": compute_colours(curves),
    }
    return {field.name: to_array(columns[field.name], field.type) for field in COMMON}


def _brightness(points: Points | LightCurves) -> dict[str, np.ndarray | pa.Array]:
    return {
        "mjd": points.mjd,
        "band": named(points.band, BANDS),
        "flux_njy": points.flux_njy,
        "flux_err_njy": points.flux_err_njy,
        "mag": points.mag,
        "mag_err": points.mag_err,
        "is_positive": positive(points.sign),
    }


def _points(curves: LightCurves) -> pa.StructArray:
    columns = {
        **_brightness(curves),
        "mag_limit": curves.mag_limit,
        "kind": named(curves.kind, KINDS),
        "alert_id": pa.array(curves.alert_id, mask=curves.alert_id < 0),
        "real_bogus": curves.real_bogus,
    }
    return to_struct(POINT, columns)


def _first_mjd(photometry: Photometry, curves: LightCurves) -> Floats:
    """First detection as the survey knows it, else the first in the light curve; days."""
    detections = np.flatnonzero(curves.kind == DETECTION)
    owner = curves.owner[detections]
    in_curve = curves.mjd[detections[np.flatnonzero(np.diff(owner, prepend=-1))]]
    return np.where(np.isnan(photometry.first_mjd), in_curve, photometry.first_mjd)


def _last_limits(curves: LightCurves, first_mjd: Floats) -> pa.StructArray:
    limits = np.flatnonzero((curves.kind == UPPER_LIMIT) & (curves.mjd < first_mjd[curves.owner]))
    owner = curves.owner[limits]
    last = limits[np.flatnonzero(np.diff(owner, append=curves.n_alerts))]
    alert = curves.owner[last]
    mjd, mag_limit = np.full(curves.n_alerts, np.nan), np.full(curves.n_alerts, np.nan)
    band = np.full(curves.n_alerts, -1, dtype=np.int8)
    mjd[alert], mag_limit[alert], band[alert] = (
        curves.mjd[last],
        curves.mag_limit[last],
        curves.band[last],
    )
    columns = {
        "mjd": mjd,
        "band": named(band, BANDS),
        "mag_limit": mag_limit,
        "days_before_first": first_mjd - mjd,
    }
    return to_struct(LAST_LIMIT, columns, ~np.isnan(mjd))
