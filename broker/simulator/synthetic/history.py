"""The history in a packet: detections, upper limits and forced photometry of the last 30 days."""

from __future__ import annotations

import numpy as np

from broker.simulator.synthetic import sky
from broker.simulator.synthetic.catalogue import ReferenceSource
from broker.simulator.synthetic.conditions import flux_njy
from broker.simulator.synthetic.detections import Columns, SyntheticDetections
from broker.simulator.synthetic.draws import Draws, Ints
from broker.simulator.synthetic.encoding import ColumnEncoder
from broker.simulator.synthetic.images import calibration_columns, forced_columns
from broker.simulator.synthetic.naming import archived, difference_image_names
from broker.simulator.synthetic.observe import Observed
from broker.simulator.synthetic.plan import SyntheticSurvey
from broker.simulator.synthetic.references import reference_id

PROGRAM_PI, RB_VERSION = "Kulkarni", "t17_f5_c3"
FORCED_MISSING = -99999.0
_FORCED_STATUS = ("0", "61", "55", "56")


def previous_candidates(
    observed: Observed,
    survey: SyntheticSurvey,
    detections: SyntheticDetections,
    encoder: ColumnEncoder,
) -> list[list[bytes]]:
    """Earlier detections and upper limits of each alert, by time, encoded."""
    past = detections.exposure != observed.exposure_of_alert[detections.alert]
    whose = detections.alert[past]
    columns = {name: values[past] for name, values in detections.columns.items()}
    seen = encoder.encode(_named(columns, observed, survey, whose), len(whose))
    alert, exposure = np.nonzero(observed.listed & ~observed.seen)
    columns = _limit_columns(observed, alert, exposure)
    limits = encoder.encode(_named(columns, observed, survey, alert), len(alert))
    entries = seen + limits
    whose = np.concatenate([whose, alert])
    order = np.lexsort((np.concatenate([detections.exposure[past], exposure]), whose))
    in_order = [entries[index] for index in order.tolist()]
    return _grouped(in_order, whose[order], len(observed.alert))


def _grouped(entries: list[bytes], alert: Ints, count: int) -> list[list[bytes]]:
    """Entries of each of ``count`` alerts; ``alert`` is sorted."""
    ends = np.searchsorted(alert, np.arange(count), side="right").tolist()
    return [entries[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _named(columns: Columns, observed: Observed, survey: SyntheticSurvey, alert: Ints) -> Columns:
    """Add what has a name: field, image, program, classifier."""
    named = columns | {
        "field": survey.cadence.fields.number[observed.places.field[alert]],
        "programpi": [PROGRAM_PI] * len(alert),
        "rbversion": [RB_VERSION] * len(alert),
    }
    return named | {"pdiffimfilename": archived(difference_image_names(named))}


def _limit_columns(observed: Observed, alert: Ints, exposure: Ints) -> Columns:
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
        **calibration,
    }


def forced_photometry(
    observed: Observed, survey: SyntheticSurvey, reference: ReferenceSource, encoder: ColumnEncoder
) -> list[list[bytes]]:
    """Forced photometry at the alert's position, newest first, encoded."""
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
    entries = encoder.encode(columns, len(alert))
    return _grouped(entries, alert, len(observed.alert))


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
