"""ELAsTiCC: the simulated LSST alerts of the 2022 broker challenge and its prototypes."""

from __future__ import annotations

from broker.surveys import elasticc_photometry
from broker.surveys.base import PacketPaths, ScienceMapping, Survey
from broker.surveys.elasticc_answer import BROKER_CLASSIFICATION
from broker.surveys.elasticc_units import RECORD_UNITS

ELASTICC = Survey(
    name="elasticc",
    schema_version="0.9",
    # alertId is the same in every alert of the early sets, so it is never a key.
    alert_id="diaSource.diaSourceId",
    object_id="cast(coalesce(diaSource.diaObjectId, diaObject.diaObjectId) as string)",
    # Scattered about the object's own position, a few lie just below 0°.
    ra_deg="if(diaSource.ra BETWEEN -1 AND 0, (diaSource.ra + 360) % 360, diaSource.ra)",
    dec_deg="diaSource.decl",
    mjd_utc="diaSource.midPointTai",
    night_offset_hours=12,
    first_light_mjd=53000.0,
    light_curve_in="flux",
    cutouts=("cutoutDifference", "cutoutTemplate"),
    science=ScienceMapping(
        records=("diaSource", "diaObject"),
        record_units=RECORD_UNITS,
        photometry_paths=elasticc_photometry.PATHS,
        read_photometry=elasticc_photometry.read,
        # The simulation has neither bogus detections nor a solar system.
        quantities={},
        histories={"diaSource": "prvDiaSources"},
    ),
    subscriber_fields={"diaSourceId": "alert_id"},
    answer=BROKER_CLASSIFICATION,
    packet=PacketPaths(
        time="diaSource.midPointTai",
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
)
