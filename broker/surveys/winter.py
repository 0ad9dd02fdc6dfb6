"""WINTER: alerts of the near-infrared survey at Palomar, in Y, J, H and K.

Its pipeline (mirar) calibrates with 2MASS magnitudes that it has brought to AB before (zero points
of Cohen et al. 2003, AJ 126, 1090), so nothing is added here.
"""

from __future__ import annotations

from broker.surveys.base import PacketPaths, ScienceMapping, Survey, field_units
from broker.surveys.photometry import Bands
from broker.surveys.read_magnitudes import MagnitudeFields, Magnitudes
from broker.surveys.times import Clock

_CLOCK = Clock(form="jd", scale="utc", moment="start", exposure="candidate.exptime")
# As the packets' schema 0.1 says. mirar's table of filters has 1 Y, 2 J, 3 Hs, 4 dark, and its
# schema says so too since 2024-03-27, under the same version.
_BANDS = Bands(
    {0: "y", 1: "J", 2: "H", 3: "K", "Y": "y", "J": "J", "H": "H", "K": "K"}, field="fid"
)
_QUANTITIES = ("rb", "jd", "magpsf", "ndethist", "ssdistnr", "ssmagnr", "ssnamenr")
_UNITS = field_units(
    "candidate",
    {
        "d (JD, UTC)": "jd jdstarthist jdendhist",
        "s": "exptime",
        "deg": "ra dec psra1 psdec1",
        "arcsec": "ssdistnr distpsnr1 distpsnr2 distpsnr3 neargaia neargaiabright",
        "mag": (
            "magzpsci magzpsciunc magzpscirms diffmaglim magpsf sigmapsf magap sigmagap magapbig "
            "sigmagapbig magdiff magfromlim magnr sigmagnr zpmed clrmed clrrms ssmagnr maggaia "
            "maggaiabright sgmag1 srmag1 simag1 szmag1 sgmag2 srmag2 simag2 szmag2 sgmag3 srmag3 "
            "simag3 szmag3 tmjmag1 tmhmag1 tmkmag1 tmjmag2 tmhmag2 tmkmag2 tmjmag3 tmhmag3 tmkmag3"
        ),
        "mag²": "zpclrcov",
        "pix": "distnr xpos ypos fwhm mindtoedge aimage bimage",
        "DN": "sky",
        # Ids, counts, ratios, scores, names and flags.
        "": (
            "candid deprecated fid ndethist progname programid isdiffpos field chipsf classtar "
            "seeratio aimagerat bimagerat elong nneg nbad sumrat dsnrms ssnrms dsdiff scorr "
            "clrcoeff clrcounc rb rbversion ssnamenr tooflag nmtchps psobjectid1 sgscore1 "
            "psobjectid2 sgscore2 psobjectid3 sgscore3 nmtchtm tmobjectid1 tmobjectid2 tmobjectid3"
        ),
    },
)

WINTER = Survey(
    name="winter",
    schema_version="0.1",
    clock=_CLOCK,
    night_offset_hours=0,
    # 2023-06-01; the camera saw first light that month.
    first_light_mjd=60096.0,
    bands=_BANDS,
    cutouts=("cutout_science", "cutout_template", "cutout_difference"),
    science=ScienceMapping(
        records=("candidate",),
        record_units=_UNITS,
        photometry=Magnitudes(
            clock=_CLOCK,
            bands=_BANDS,
            alert_id="candid",
            signs={True: 1, False: -1},
            this=MagnitudeFields("candidate", score="rb"),
            # Detections only, without limits and scores.
            history=MagnitudeFields("prv_candidates", limit="", alert_id="candid"),
            n_detections="candidate.ndethist",
            first_time="candidate.jdstarthist",
        ),
        quantities={name: f"candidate.{name}" for name in _QUANTITIES},
        histories={"candidate": "prv_candidates"},
    ),
    subscriber_fields={"objectid": "object_id", "candid": "alert_id"},
    packet=PacketPaths(
        time="candidate.jd",
        alert_id="candid",
        object_id=("objectid",),
        position=("candidate.ra", "candidate.dec"),
        ids=("candid", "objectid"),
        brief=(
            *("candidate.jd", "candidate.fid", "candidate.magpsf", "candidate.sigmapsf"),
            *("candidate.isdiffpos", "candidate.ra", "candidate.dec"),
            *("candidate.scorr", "candidate.ndethist"),
        ),
    ),
)
