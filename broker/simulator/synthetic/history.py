"""The history in a packet: detections, upper limits and forced photometry of the last 30 days."""

from __future__ import annotations

from typing import Any

import numpy as np

from broker.simulator.synthetic import sky
from broker.simulator.synthetic.catalogue import ReferenceSource
from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.detections import Columns, Detections
from broker.simulator.synthetic.draws import Draws, Ints
from broker.simulator.synthetic.images import calibration_columns, forced_columns
from broker.simulator.synthetic.naming import difference_image_names
from broker.simulator.synthetic.observe import Observed
from broker.simulator.synthetic.plan import Survey
from broker.simulator.synthetic.references import reference_id

PROGRAM_PI, RB_VERSION = "Kulkarni", "t17_f5_c3"
FORCED_MISSING = -99999.0
_FORCED_STATUS = ("0", "61", "55", "56")
_CANDIDATE_ONLY = frozenset(("drb", "dsnrms", "ssnrms", "dsdiff"))

Record = dict[str, Any]


def rows(columns: Columns) -> list[Record]:
    """Turn columns into records with plain Python values."""
    names = list(columns)
    values = [x.tolist() if isinstance(x, np.ndarray) else x for x in columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def grouped(records: list[Record], alert: Ints, count: int) -> list[list[Record]]:
    """Records of each of ``count`` alerts; ``alert`` is sorted."""
    ends = np.searchsorted(alert, np.arange(count), side="right").tolist()
    starts = [0, *ends[:-1]]
    return [records[start:end] for start, end in zip(starts, ends, strict=True)]


def previous_candidates(
    observed: Observed, survey: Survey, detections: Detections
) -> list[list[Record]]:
    """Earlier detections and upper limits of each alert, by time."""
    past = detections.exposure != observed.exposure_of_alert[detections.alert]
    seen = rows(
        _described(survey, observed, detections.alert[past])
        | {
            name: values[past]
            for name, values in detections.columns.items()
            if name not in _CANDIDATE_ONLY
        }
    )
    alert, exposure = np.nonzero(observed.listed & ~observed.seen)
    limits = rows(_limit_columns(observed, survey, alert, exposure))
    when = np.concatenate([detections.exposure[past], exposure])
    whose = np.concatenate([detections.alert[past], alert])
    records = seen + limits
    order = np.lexsort((when, whose))
    in_order = [records[index] for index in order.tolist()]
    for record in in_order:
        record["pdiffimfilename"] = difference_image_names(record)
    return grouped(in_order, whose[order], len(observed.alert))


def _described(survey: Survey, observed: Observed, alert: Ints) -> Columns:
    fields = survey.cadence.fields.number[observed.places.field[alert]]
    return {
        "field": fields,
        "programpi": [PROGRAM_PI] * len(alert),
        "rbversion": [RB_VERSION] * len(alert),
    }


def _limit_columns(observed: Observed, survey: Survey, alert: Ints, exposure: Ints) -> Columns:
    """An upper limit is the image's depth and calibration; all of the candidate is null."""
    exposures, at = observed.exposures, (alert, exposure)
    fid = exposures.fid[at]
    calibration = calibration_columns(
        Draws(exposures.draws.keys[at]),
        fid,
        exposures.zero_point[at],
        observed.places.gal_lat[alert],
    )
    return {
        "jd": exposures.jd[at],
        "fid": fid,
        "pid": exposures.pid[at],
        "diffmaglim": exposures.limit[at],
        "programid": np.ones_like(fid),
        "nid": exposures.night[at],
        "rcid": observed.places.rcid[alert],
        **_described(survey, observed, alert),
        **calibration,
    }


def forced_photometry(
    observed: Observed, survey: Survey, reference: ReferenceSource
) -> list[list[Record]]:
    """Forced photometry at the alert's position in all earlier exposures, newest first."""
    listed = observed.listed.copy()
    listed[np.arange(len(observed.alert)), observed.exposure_of_alert] = False
    alert, exposure = np.nonzero(listed[:, ::-1])
    exposure = listed.shape[1] - 1 - exposure
    exposures, at = observed.exposures, (alert, exposure)
    image = Draws(exposures.draws.keys[at])
    fid, field = exposures.fid[at], survey.cadence.fields.number[observed.places.field[alert]]
    columns = {
        "field": field,
        "rcid": observed.places.rcid[alert],
        "fid": fid,
        "pid": exposures.pid[at],
        "rfid": reference_id(field, fid, observed.places.rcid[alert]),
        **forced_columns(image),
        **calibration_columns(image, fid, exposures.zero_point[at], observed.places.gal_lat[alert]),
        "exptime": np.full(len(alert), 30.0),
        "diffmaglim": exposures.limit[at],
        "programid": np.ones_like(fid),
        "jd": exposures.jd[at],
        **_forced_flux(observed, alert, exposure),
        **_forced_reference(observed, alert, fid, reference),
    }
    return grouped(rows(columns), alert, len(observed.alert))


def _forced_flux(observed: Observed, alert: Ints, exposure: Ints) -> Columns:
    """Counts with sky noise of their own; one in eight has a warning, a third of these no value."""
    exposures, at = observed.exposures, (alert, exposure)
    draws = observed.draws[alert]
    pid = exposures.pid[at][:, None]
    count = flux_njy(exposures.zero_point[at])
    error = 0.85 * observed.error[at]
    flux = observed.true[at] + error * draws.normal("forced", pid)[:, 0]
    status = np.searchsorted((0.88, 0.95, 0.975), draws.uniform("status", pid)[:, 0])
    missing = (status > 0) & (draws.uniform("missing", pid)[:, 0] < 0.35)
    return {
        "forcediffimflux": np.where(missing, FORCED_MISSING, flux / count),
        "forcediffimfluxunc": np.where(missing, FORCED_MISSING, error / count),
        "procstatus": [_FORCED_STATUS[number] for number in status],
    }


def _forced_reference(
    observed: Observed, alert: Ints, fid: Ints, reference: ReferenceSource
) -> Columns:
    """Nearest reference source; missing beyond five arcsec."""
    east, north = reference.east[alert], reference.north[alert]
    distance = np.hypot(east, north)
    far = distance > 5.0
    ra, dec = sky.shift(observed.places.ra[alert], observed.places.dec[alert], east, north)
    mag = np.where(fid == 1, reference.g[alert], reference.r[alert])
    error = 0.012 + 0.34 * np.minimum(10.0 ** (0.3 * (mag - 23.4)), 1.0)
    values = {
        "distnr": distance,
        "ranr": np.round(ra, 7),
        "decnr": np.round(dec, 7),
        "magnr": np.round(np.clip(mag, 11.5, 23.6), 3),
        "sigmagnr": np.round(error, 3),
        "chinr": np.where(reference.is_galaxy[alert] > 0.5, 1.4, 0.8),
        "sharpnr": np.where(reference.is_galaxy[alert] > 0.5, 0.3, -0.01),
    }
    return {name: np.where(far, FORCED_MISSING, column) for name, column in values.items()}
