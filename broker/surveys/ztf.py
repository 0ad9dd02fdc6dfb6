"""ZTF: the Zwicky Transient Facility's public alerts."""

from __future__ import annotations

from broker.surveys import ztf_photometry
from broker.surveys.base import PacketPaths, ScienceMapping, Survey
from broker.surveys.ztf_units import CANDIDATE_UNITS

# Real-bogus scores, then what Fink's solar-system rules read.
_QUANTITIES = (
    *("drb", "drbversion", "rb"),
    *("jd", "magpsf", "ndethist", "sgscore1", "distpsnr1", "ssdistnr", "ssmagnr", "ssnamenr"),
)

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
    time_axis="MJD (UTC, start of exposure)",
    object_page="https://alerce.online/object/{object_id}",
    science=ScienceMapping(
        records=("candidate",),
        record_units=CANDIDATE_UNITS,
        photometry_paths=ztf_photometry.PATHS,
        read_photometry=ztf_photometry.read,
        quantities={
            **{name: f"candidate.{name}" for name in _QUANTITIES},
            "prv_jd": "prv_candidates.jd",
            "prv_magpsf": "prv_candidates.magpsf",
        },
        histories={"candidate": "prv_candidates"},
    ),
    # fink-client's display and save need these; `cdsxmatch` waits for a cross-match.
    subscriber_fields={"objectId": "object_id", "candid": "alert_id", "cdsxmatch": "'Unknown'"},
    packet=PacketPaths(
        time="candidate.jd",
        alert_id="candid",
        object_id=("objectId",),
        position=("candidate.ra", "candidate.dec"),
        ids=("candid", "objectId"),
        brief=(
            *("candidate.jd", "candidate.fid", "candidate.magpsf", "candidate.sigmapsf"),
            *("candidate.isdiffpos", "candidate.ra", "candidate.dec"),
            *("candidate.rb", "candidate.drb", "candidate.ndethist"),
        ),
    ),
)
