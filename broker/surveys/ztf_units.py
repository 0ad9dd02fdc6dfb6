"""Units of the fields of ZTF's ``candidate`` record (source: the ZTF alert schema 4.02)."""

from __future__ import annotations

from broker.surveys.base import field_units

_FIELDS_BY_UNIT = {
    "d (JD, UTC)": "jd jdstarthist jdendhist jdstartref jdendref",
    "deg": "ra dec ranr decnr",
    "arcsec": "ssdistnr distpsnr1 distpsnr2 distpsnr3 neargaia neargaiabright",
    "mag": (
        "diffmaglim magpsf sigmapsf magap sigmagap magnr sigmagnr magdiff magfromlim ssmagnr "
        "magapbig sigmagapbig sgmag1 srmag1 simag1 szmag1 sgmag2 srmag2 simag2 szmag2 sgmag3 "
        "srmag3 simag3 szmag3 magzpsci magzpsciunc magzpscirms zpmed clrmed clrrms maggaia "
        "maggaiabright"
    ),
    "pix": "xpos ypos distnr sharpnr fwhm mindtoedge aimage bimage",
    "DN": "sky",
    "s": "exptime",
    # Numbers without a unit: ids, counts, ratios, scores.
    "": (
        "fid pid programid candid tblid nid rcid field chipsf chinr classtar seeratio aimagerat "
        "bimagerat elong nneg nbad rb sumrat sgscore1 sgscore2 sgscore3 ndethist ncovhist scorr "
        "tooflag objectidps1 objectidps2 objectidps3 nmtchps rfid nframesref dsnrms ssnrms dsdiff "
        "nmatches clrcoeff clrcounc zpclrcov drb "
        # Names and flags.
        "pdiffimfilename programpi isdiffpos ssnamenr rbversion drbversion"
    ),
}

CANDIDATE_UNITS = field_units("candidate", _FIELDS_BY_UNIT)
