"""A survey that does not exist: flat packets, counts with zero points of their own, no model.

In a file of its own, since Spark's workers import its reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from broker.packets.schemas import parse_schema
from broker.surveys.arrow_columns import ArrowColumns
from broker.surveys.base import PacketPaths, ScienceMapping, Survey
from broker.surveys.photometry import DETECTION, Bands, Photometry, Points, ids_or_none
from broker.surveys.times import Clock
from broker.units import mag_err_from_flux, mag_from_flux, njy_per_unit

MEASURED = ("seen", "wavelength", "counts", "counts_err", "zero_point")
VERSION = "2.1"
SCHEMA_ID = 201
SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "made_up.v2_1.alert",
        "fields": [
            {"name": "source", "type": "long"},
            {"name": "star", "type": "string"},
            *({"name": name, "type": "double"} for name in ("lon", "lat", "seen", "realness")),
            {"name": "wavelength", "type": "int"},
            *({"name": name, "type": "double"} for name in ("counts", "counts_err", "zero_point")),
            {
                "name": "before",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "earlier",
                        "fields": [
                            *({"name": n, "type": "double"} for n in MEASURED if n != "wavelength"),
                            {"name": "wavelength", "type": "int"},
                        ],
                    },
                },
            },
            {"name": "stamp", "type": "bytes"},
        ],
    },
    "test",
)


@dataclass(frozen=True)
class Counts:
    """Reader of counts, each with the AB magnitude of one count beside it."""

    bands: Bands

    @property
    def paths(self) -> tuple[str, ...]:
        """Fields of the packet that `read` needs."""
        return ("source", *MEASURED, *(f"before.{name}" for name in MEASURED))

    def read(self, packets: ArrowColumns, flux_zero_point: float) -> Photometry:
        """Photometry of a batch."""
        this = self._points(packets, "")
        return Photometry(
            this=this,
            history=self._points(packets, "before"),
            mjd_tai_mid=this.mjd + 37.0 / 86400.0,
            n_detections=packets.lengths("before.seen") + 1,
            first_mjd=np.full(packets.n_rows, np.nan),
        )

    def _points(self, packets: ArrowColumns, record: str) -> Points:
        at = f"{record}." if record else ""
        owner = packets.owners(f"{at}seen") if record else np.arange(packets.n_rows)
        scale = np.array([njy_per_unit(zp) for zp in packets.floats(f"{at}zero_point")])
        flux = packets.floats(f"{at}counts") * scale
        flux_err = packets.floats(f"{at}counts_err") * scale
        missing = np.full(len(owner), np.nan)
        return Points(
            owner=owner,
            mjd=packets.floats(f"{at}seen"),
            band=self.bands.codes(packets, record, len(owner)),
            kind=np.full(len(owner), DETECTION, dtype=np.int8),
            flux_njy=flux,
            flux_err_njy=flux_err,
            mag=mag_from_flux(flux),
            mag_err=mag_err_from_flux(flux, flux_err),
            mag_limit=missing,
            sign=np.sign(flux).astype(np.int8),
            alert_id=ids_or_none(packets, "", "" if record else "source", len(owner)),
            real_bogus=missing,
            ra_deg=missing,
            dec_deg=missing,
        )


_BANDS = Bands({480: "g", 620: "r", 1250: "J"}, field="wavelength")

MADE_UP = Survey(
    name="made_up",
    schema_version=VERSION,
    clock=Clock(form="mjd", scale="utc", moment="midpoint"),
    night_offset_hours=6,
    first_light_mjd=59000.0,
    bands=_BANDS,
    cutouts=("stamp",),
    light_curve_in="flux",
    science=ScienceMapping(
        records=(),
        record_units={},
        photometry=Counts(_BANDS),
        quantities={"rb": "realness"},
        histories={},
    ),
    subscriber_fields={"source": "alert_id", "star": "object_id"},
    packet=PacketPaths(
        time="seen",
        alert_id="source",
        object_id=("star",),
        position=("lon", "lat"),
        ids=("source", "star"),
        brief=("seen", "wavelength", "counts"),
    ),
)


def record(number: int) -> dict[str, Any]:
    """An alert on the evening of 2024-07-07, at 05:00 UTC of the day after."""
    seen = 60499.0 + 5 / 24
    measured = {"wavelength": (480, 620, 1250)[number % 3], "zero_point": 25.0 + number % 2}
    measured |= {"counts": 1000.0 * (1 if number % 4 else -1), "counts_err": 10.0}
    earlier = [measured | {"seen": seen - days} for days in (3.0, 1.5)]
    return measured | {
        **{"source": number, "star": f"star {number // 2}", "lon": number % 360, "lat": 10.0},
        **{"seen": seen, "realness": number % 10 / 10, "before": earlier},
        "stamp": bytes([number % 251]) * 50,
    }
