"""ZTF: the Zwicky Transient Facility's public alerts."""

from __future__ import annotations

from broker.surveys.base import LightCurveClassifier, PacketPaths, ScienceMapping, Survey
from broker.surveys.photometry import Bands
from broker.surveys.read_magnitudes import ForcedCounts, MagnitudeFields, Magnitudes
from broker.surveys.times import Clock
from broker.surveys.ztf_units import CANDIDATE_UNITS

# Real-bogus scores, then what Fink's solar-system rules read.
_QUANTITIES = (
    *("drb", "drbversion", "rb"),
    *("jd", "magpsf", "ndethist", "sgscore1", "distpsnr1", "ssdistnr", "ssmagnr", "ssnamenr"),
)
_CLOCK = Clock(
    form="jd",
    scale="utc",
    moment="start",
    exposure="candidate.exptime",
    default_exposure_seconds=30.0,
)
# R: as the ANTARES broker's tables spell it.
_BANDS = Bands({1: "g", 2: "r", 3: "i", "g": "g", "r": "r", "R": "r", "i": "i"}, field="fid")
_PHOTOMETRY = Magnitudes(
    clock=_CLOCK,
    bands=_BANDS,
    alert_id="candid",
    # Both spellings occur in the stream's history.
    signs={"t": 1, "1": 1, "f": -1, "0": -1},
    this=MagnitudeFields("candidate", score="rb"),
    history=MagnitudeFields("prv_candidates", score="rb", alert_id="candid"),
    forced=ForcedCounts(
        "fp_hists",
        time="jd",
        flux="forcediffimflux",
        flux_err="forcediffimfluxunc",
        zero_point="magzpsci",
        limit="diffmaglim",
        status="procstatus",
        good_status="0",
        missing_flux=-99998.0,
    ),
    n_detections="candidate.ndethist",
    first_time="candidate.jdstarthist",
)

ZTF = Survey(
    name="ztf",
    schema_version="4.02",
    clock=_CLOCK,
    night_offset_hours=0,
    # 2017-10-01; the camera saw first light that month (Bellm et al. 2019).
    first_light_mjd=58027.0,
    bands=_BANDS,
    cutouts=("cutoutScience", "cutoutTemplate", "cutoutDifference"),
    object_page="https://alerce.online/object/{object_id}",
    classifier=LightCurveClassifier("ztf_1", ("sn_ia", "core_collapse", "other"), ("g", "r")),
    science=ScienceMapping(
        records=("candidate",),
        record_units=CANDIDATE_UNITS,
        photometry=_PHOTOMETRY,
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
