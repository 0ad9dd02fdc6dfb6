"""PGIR: alerts of Palomar Gattini-IR, a J-band survey of the whole northern sky."""

from __future__ import annotations

from broker.surveys.base import PacketPaths, ScienceMapping, Survey, field_units
from broker.surveys.photometry import Bands
from broker.surveys.read_magnitudes import MagnitudeFields, Magnitudes
from broker.surveys.times import Clock

_CLOCK = Clock(
    form="jd",
    scale="utc",
    moment="start",
    exposure="candidate.exptime",
    # Eight dithers, as in all packets that say it.
    default_exposure_seconds=71.3,
)
_BANDS = Bands({"J": "J"})
_QUANTITIES = ("drb", "drbversion", "jd", "magpsf", "ndethist", "ssdistnr", "ssmagnr", "ssnamenr")
_UNITS = field_units(
    "candidate",
    {
        "d (JD, UTC)": "jd jdstarthist jdstartref jdendref",
        "s": "exptime",
        "deg": "ra dec",
        "arcsec": "ssdistnr tmdist1 tmdist2 tmdist3 distnearbrstar",
        "mag": (
            "diffmaglim magpsf sigmapsf magap sigmagap ssmagnr dmag2mass tmmag1 tmmag2 tmmag3 "
            "magzpsci magzpsciunc magzpscirms magnearbrstar"
        ),
        "pix": "xpos ypos fwhm aimage bimage",
        "DN": "fluxpsf sigmafluxpsf",
        # Ids, counts, ratios, scores, names and flags.
        "": (
            "stackquadid subid pdiffimfilename program candid isdiffpos nid quadpos subquadpos "
            "field chipsf elong nneg ssnamenr isstar sumrat ndethist scorr nframesref ncalmatches "
            "clrcoeff clrcounc ndithexp sciweight refweight drb drbversion"
        ),
    },
)

PGIR = Survey(
    name="pgir",
    schema_version="0.1",
    clock=_CLOCK,
    night_offset_hours=0,
    # 2018-09-01, seven weeks before the first exposures of its reference images.
    first_light_mjd=58362.0,
    bands=_BANDS,
    cutouts=("cutoutScience", "cutoutTemplate", "cutoutDifference"),
    science=ScienceMapping(
        records=("candidate",),
        record_units=_UNITS,
        photometry=Magnitudes(
            clock=_CLOCK,
            bands=_BANDS,
            alert_id="candid",
            signs={"t": 1, "1": 1, "f": -1, "0": -1},
            this=MagnitudeFields("candidate", score="drb"),
            history=MagnitudeFields("prv_candidates", score="drb", alert_id="candid"),
            n_detections="candidate.ndethist",
            first_time="candidate.jdstarthist",
            # Calibrated on 2MASS, whose magnitudes are on the Vega system (De et al. 2020, PASP
            # 132, 025001); to AB: Blanton & Roweis 2007, AJ 133, 734.
            ab_offset={"J": 0.91},
        ),
        quantities={name: f"candidate.{name}" for name in _QUANTITIES},
        histories={"candidate": "prv_candidates"},
    ),
    subscriber_fields={"objectId": "object_id", "candid": "alert_id"},
    packet=PacketPaths(
        time="candidate.jd",
        alert_id="candid",
        object_id=("objectId",),
        position=("candidate.ra", "candidate.dec"),
        ids=("candid", "objectId"),
        brief=(
            *("candidate.jd", "candidate.magpsf", "candidate.sigmapsf", "candidate.isdiffpos"),
            *("candidate.ra", "candidate.dec", "candidate.drb", "candidate.ndethist"),
            "candidate.isstar",
        ),
    ),
)
