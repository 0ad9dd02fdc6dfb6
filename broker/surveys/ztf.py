"""ZTF: the Zwicky Transient Facility's public alerts."""

from __future__ import annotations

from broker.surveys.base import PacketFields, Survey

ZTF = Survey(
    name="ztf",
    schema_version="4.02",
    alert_id="candid",
    object_id="objectId",
    ra_deg="candidate.ra",
    dec_deg="candidate.dec",
    mjd_utc="candidate.jd - 2400000.5",
    night_offset_hours=0,
    # 2017-10-01; the camera saw first light that month (Bellm et al. 2019).
    first_light_mjd=58027.0,
    cutouts=("cutoutScience", "cutoutTemplate", "cutoutDifference"),
    packet=PacketFields(
        time="candidate.jd",
        alert_id="candid",
        object_id=("objectId",),
        ids=("candid", "objectId"),
    ),
)
