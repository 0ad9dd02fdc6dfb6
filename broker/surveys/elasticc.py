"""ELAsTiCC: the simulated LSST alerts of the 2022 broker challenge and its prototypes."""

from __future__ import annotations

from broker.surveys.base import LightCurveClassifier, PacketPaths, ScienceMapping, Survey
from broker.surveys.elasticc_answer import BROKER_CLASSIFICATION
from broker.surveys.elasticc_units import RECORD_UNITS
from broker.surveys.photometry import OPTICAL_BANDS, Bands
from broker.surveys.read_fluxes import Fluxes, FluxFields, NoiseFields
from broker.surveys.times import Clock

_CLOCK = Clock(form="mjd", scale="tai", moment="midpoint")
_BANDS = Bands({**{band: band for band in OPTICAL_BANDS}, "Y": "y"}, field="filterName")
_TIME_AND_FLUX = {"time": "midPointTai", "flux": "psFlux", "flux_err": "psFluxErr"}
_DETECTION = {**_TIME_AND_FLUX, "alert_id": "diaSourceId", "ra": "ra", "dec": "decl"}
_PHOTOMETRY = Fluxes(
    clock=_CLOCK,
    bands=_BANDS,
    this=FluxFields("diaSource", **_DETECTION),
    history=FluxFields("prvDiaSources", **_DETECTION),
    forced=FluxFields("prvDiaForcedSources", **_TIME_AND_FLUX),
    limits=NoiseFields("prvDiaNondetectionLimits", time="midPointTai", noise="diaNoise"),
)

ELASTICC = Survey(
    name="elasticc",
    schema_version="0.9",
    clock=_CLOCK,
    night_offset_hours=12,
    first_light_mjd=53000.0,
    bands=_BANDS,
    light_curve_in="flux",
    cutouts=("cutoutDifference", "cutoutTemplate"),
    classifier=LightCurveClassifier("elasticc_1", ("sn_ia", "sn_ii"), OPTICAL_BANDS),
    science=ScienceMapping(
        records=("diaSource", "diaObject"),
        record_units=RECORD_UNITS,
        photometry=_PHOTOMETRY,
        # The simulation has neither bogus detections nor a solar system.
        quantities={},
        histories={"diaSource": "prvDiaSources"},
    ),
    subscriber_fields={"diaSourceId": "alert_id"},
    answer=BROKER_CLASSIFICATION,
    packet=PacketPaths(
        time="diaSource.midPointTai",
        # alertId is the same in every alert of the early sets, so it is never a key.
        alert_id="diaSource.diaSourceId",
        object_id=("diaSource.diaObjectId", "diaObject.diaObjectId"),
        position=("diaSource.ra", "diaSource.decl"),
        ids=("alertId", "diaSourceId", "parentDiaSourceId", "diaForcedSourceId", "diaObjectId"),
        brief=(
            *("diaSource.midPointTai", "diaSource.filterName"),
            *("diaSource.psFlux", "diaSource.psFluxErr", "diaSource.snr"),
            *("diaSource.ra", "diaSource.decl"),
        ),
    ),
    # Scattered about the object's own position, a few lie just below 0°.
    expressions={
        "ra_deg": "if(diaSource.ra BETWEEN -1 AND 0, (diaSource.ra + 360) % 360, diaSource.ra)"
    },
)
