"""Units of ELAsTiCC's ``diaSource`` and ``diaObject`` records (source: its alert schema 0.9)."""

from __future__ import annotations

FLUX_UNIT = "flux of AB mag science.flux_zero_point (31.4: nJy)"

_SOURCE_UNITS = {
    **dict.fromkeys(("diaSourceId", "ccdVisitId", "diaObjectId", "parentDiaSourceId"), ""),
    "midPointTai": "d (MJD, TAI)",
    "filterName": "",
    **dict.fromkeys(("ra", "decl"), "deg"),
    **dict.fromkeys(("psFlux", "psFluxErr"), FLUX_UNIT),
    **dict.fromkeys(("snr", "nobs"), ""),
}
_OBJECT_UNITS = {
    **dict.fromkeys(("diaObjectId", "simVersion", "z_final", "z_final_err"), ""),
    **dict.fromkeys(("ra", "decl"), "deg"),
    **dict.fromkeys(("mwebv", "mwebv_err"), "mag"),
}
# Two candidate hosts, hostgal and hostgal2, with the same fields; redshifts have no unit.
_HOST_UNITS = {
    **dict.fromkeys(("ellipticity", "zspec", "zspec_err", "zphot", "zphot_err", "zphot_p50"), ""),
    **dict.fromkeys((f"zphot_q{percent:03d}" for percent in range(0, 101, 10)), ""),
    **dict.fromkeys((f"{kind}_{band}" for kind in ("mag", "magerr") for band in "ugrizY"), "mag"),
    "sqradius": "arcsec",
    **dict.fromkeys(("ra", "dec"), "deg"),
    "snsep": "arcsec",
}

RECORD_UNITS = {
    **{f"diaSource.{name}": unit for name, unit in _SOURCE_UNITS.items()},
    **{f"diaObject.{name}": unit for name, unit in _OBJECT_UNITS.items()},
    **{
        f"diaObject.{host}_{name}": unit
        for host in ("hostgal", "hostgal2")
        for name, unit in _HOST_UNITS.items()
    },
}
