"""Alert packets: ZTF 4.02 records in Avro containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from broker.packets.container import ContainerWriter
from broker.packets.schemas import load_schema
from broker.settings import PROJECT_ROOT
from broker.simulator.synthetic.almanac import JD_OF_MJD_ZERO
from broker.simulator.synthetic.catalogue import (
    MISSING,
    Neighbours,
    gaia,
    neighbours,
    reference_source,
)
from broker.simulator.synthetic.conditions import magnitude
from broker.simulator.synthetic.detections import Columns, SyntheticDetections, detect, own_rows
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.encoding import (
    ColumnEncoder,
    blob,
    optional_array,
    optional_record,
    text,
    varint,
)
from broker.simulator.synthetic.history import (
    PROGRAM_PI,
    RB_VERSION,
    forced_photometry,
    previous_candidates,
)
from broker.simulator.synthetic.images import photometric_columns
from broker.simulator.synthetic.naming import (
    asteroid_names,
    difference_image_names,
    object_name,
    stamp_names,
)
from broker.simulator.synthetic.observe import Observed, at_alert, observe
from broker.simulator.synthetic.plan import NightPlan, SyntheticSurvey
from broker.simulator.synthetic.populations import POPULATIONS
from broker.simulator.synthetic.references import reference_frames, reference_id, reference_mjd
from broker.simulator.synthetic.stamps import Images, fits_gz, stamps

SCHEMA_VERSION = "4.02"
# Not the survey's own name: nobody shall take a synthetic packet for a real one.
PUBLISHER = "Nightjar (synthetic)"
_OPENING = text(SCHEMA_VERSION) + text(PUBLISHER)
_DRB_VERSION = "d6_m7"


@dataclass(frozen=True, slots=True)
class SyntheticPacket:
    """One alert as it goes over the wire, with what only the simulation knows.

    Attributes
    ----------
    value
        Avro container with one record, schema ZTF 4.02.
    candid, object_id, jd
        The alert's identity and time, as in the packet.
    truth
        One row of the truth table (:data:`broker.simulator.synthetic.truth.TRUTH_SCHEMA`).
    """

    value: bytes
    candid: int
    object_id: str
    jd: float
    truth: dict[str, Any]


class PacketMaker:
    """Make the packets of one night of one seed."""

    def __init__(self, survey: SyntheticSurvey, plan: NightPlan, seed: int) -> None:
        self._survey = survey
        self._plan = plan
        self._seed = seed
        schema = load_schema(PROJECT_ROOT / "schemas" / "ztf" / SCHEMA_VERSION)
        parts = {field["name"]: field["type"] for field in schema["fields"]}
        self._writer = ContainerWriter(schema)
        self._candidate = ColumnEncoder(parts["candidate"])
        self._previous = ColumnEncoder(parts["prv_candidates"][1]["items"])
        self._forced = ColumnEncoder(parts["fp_hists"][1]["items"])

    def packets(self, alerts: Ints) -> Iterator[SyntheticPacket]:
        """Packets of these rows of the plan, in their order."""
        plan = self._plan
        observed = observe(self._survey, plan, alerts)
        near = neighbours(observed)
        reference = reference_source(observed, near)
        detections = detect(observed, plan.table_row[alerts], plan.first_row[alerts], reference)
        columns = self._candidate_columns(observed, detections, near)
        names = self._object_names(observed)
        candidates = self._candidate.encode(columns, len(alerts))
        histories = previous_candidates(observed, self._survey, detections, self._previous)
        forced = forced_photometry(observed, self._survey, reference, self._forced)
        truths = _truths(observed, columns["candid"], names)
        cutouts = _cutouts(columns, stamps(observed, near))
        for index, truth in enumerate(truths):
            candid = truth["candid"]
            datum = (
                _OPENING,
                text(names[index]),
                varint(candid),
                candidates[index],
                optional_array(histories[index]),
                optional_array(forced[index]),
                next(cutouts),
            )
            value = self._writer.wrap(b"".join(datum))
            yield SyntheticPacket(value, candid, names[index], truth["jd"], truth)

    def _candidate_columns(
        self, observed: Observed, detections: SyntheticDetections, near: Neighbours
    ) -> Columns:
        own = own_rows(observed, detections)
        columns = {name: values[own] for name, values in detections.columns.items()}
        count = len(own)
        field = self._survey.cadence.fields.number[observed.places.field]
        columns |= {
            "field": field,
            "programpi": [PROGRAM_PI] * count,
            "rbversion": [RB_VERSION] * count,
            "drbversion": [_DRB_VERSION] * count,
            "exptime": np.full(count, 30.0),
            "tooflag": np.zeros(count, dtype=np.int64),
            "ndethist": observed.detections,
            "ncovhist": observed.coverage,
            "jdstarthist": observed.first_jd,
            "jdendhist": columns["jd"],
        }
        columns["pdiffimfilename"] = difference_image_names(columns)
        image = Draws(at_alert(observed.exposures.draws.keys, observed))
        columns |= photometric_columns(image, columns["fid"], columns, observed.places.gal_lat)
        columns |= _reference_columns(observed, field, columns["fid"])
        columns |= _neighbour_columns(near) | _gaia_columns(observed)
        return columns | _solar_system_columns(observed, columns["magpsf"], columns["fid"])

    def _object_names(self, observed: Observed) -> list[str]:
        """One name per object; an asteroid has a new one at each visit."""
        night = self._survey.cadence.night
        return [
            object_name(rank, self._seed, night, first)
            for rank, first in zip(
                self._plan.object_rank[observed.alert].tolist(),
                observed.first_jd.tolist(),
                strict=True,
            )
        ]


def _cutouts(columns: Columns, images: tuple[Images, ...]) -> Iterator[bytes]:
    """Three encoded cutouts of each alert."""
    for index, (candid, pid, sign) in enumerate(
        zip(columns["candid"].tolist(), columns["pid"].tolist(), columns["isdiffpos"], strict=True)
    ):
        names = stamp_names(candid, pid, sign == "t")
        yield b"".join(
            optional_record(text(name), blob(fits_gz(image[index])))
            for name, image in zip(names, images, strict=True)
        )


def _reference_columns(observed: Observed, field: Ints, fid: Ints) -> Columns:
    span = reference_mjd(field) + JD_OF_MJD_ZERO
    return {
        "rfid": reference_id(field, fid, observed.places.rcid),
        "jdstartref": np.round(span[:, 0], 6),
        "jdendref": np.round(span[:, 1], 6),
        "nframesref": reference_frames(field, fid),
    }


def _neighbour_columns(near: Neighbours) -> Columns:
    columns: Columns = {"nmtchps": near.count}
    for number in range(near.distance.shape[1]):
        columns |= {
            f"objectidps{number + 1}": near.identifier[:, number],
            f"sgmag{number + 1}": near.g[:, number],
            f"srmag{number + 1}": near.r[:, number],
            f"simag{number + 1}": near.i[:, number],
            f"szmag{number + 1}": near.z[:, number],
            f"sgscore{number + 1}": near.stellarity[:, number],
            f"distpsnr{number + 1}": near.distance[:, number],
        }
    return columns


def _gaia_columns(observed: Observed) -> Columns:
    stars = gaia(observed)
    return {
        "neargaia": stars.distance,
        "maggaia": stars.mag,
        "neargaiabright": stars.distance_bright,
        "maggaiabright": stars.mag_bright,
    }


def _solar_system_columns(observed: Observed, mag: Floats, fid: Ints) -> Columns:
    """A predicted asteroid for known ones and, by chance, for a few others; else sentinels.

    The survey rounds the distance to whole arcseconds, so that 0 is the commonest match.
    """
    draws = observed.draws
    known = observed.known
    chance = ~known & (draws.uniform("chance_match") < 0.004)
    near = np.where(draws.uniform("prediction") < 0.96, 0.0, 1.0)
    distance = np.where(chance, np.floor(6.0 + 24.0 * draws.uniform("chance_distance")), near)
    visual = mag + np.where(fid == 1, -0.31, 0.32) + 0.14 * draws.normal("predicted_mag")
    visual = np.where(chance, 17.5 + 3.0 * draws.uniform("chance_mag"), visual)
    matched = known | chance
    names = asteroid_names(draws, visual)
    return {
        "ssdistnr": np.where(matched, distance, MISSING),
        "ssmagnr": np.where(matched, np.round(visual, 1), MISSING),
        "ssnamenr": [name if match else "null" for name, match in zip(names, matched, strict=True)],
    }


def _truths(observed: Observed, candid: Ints, names: list[str]) -> list[dict[str, Any]]:
    """Rows of the truth table."""
    true = at_alert(observed.true, observed)
    truth = observed.truth
    columns = {
        "candid": candid,
        "objectId": names,
        "jd": observed.jd,
        "fid": at_alert(observed.exposures.fid, observed),
        "ra": observed.places.ra,
        "dec": observed.places.dec,
        "class": [POPULATIONS[index].name for index in observed.population],
        "subclass": truth.subclass,
        "redshift": truth.redshift,
        "peak_mjd": truth.peak_mjd,
        "period_days": truth.period_days,
        "amplitude_mag": truth.amplitude_mag,
        "true_flux_njy": true,
        "true_mag": np.where(true == 0.0, np.nan, magnitude(true)),
        "is_positive": true > 0.0,
        "host_r_mag": observed.counterpart.r,
        "host_offset_arcsec": np.where(
            np.isfinite(observed.counterpart.r), observed.counterpart.offset_arcsec, np.nan
        ),
    }
    values = [x if isinstance(x, list) else x.tolist() for x in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
