"""Synthetic packets with the variety of recorded ones, for where those are not at hand.

ZTF packets are the simulator's, of which some are made like those of earlier years: other fields,
other forms of a sign, an epoch of the history measured twice. ELAsTiCC's are light curves of
Gaussian shape, in nJy or on the scale of the challenge's prototypes.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import fastavro

from broker.packets.datum import encode_datum
from broker.simulator.synthetic import generate
from tests.crafted import elasticc_record, field_type, schema_of

Packet = dict[str, Any]
# Shares of the alerts, so that rare kinds are there in some hundred packets.
_SHARES = {
    "sn_ia": 0.16,
    "core_collapse": 0.12,
    "agn": 0.1,
    "rr_lyrae": 0.14,
    "eclipsing_binary": 0.06,
    "cataclysmic": 0.06,
    "asteroid_known": 0.2,
    "asteroid_new": 0.08,
    "bogus": 0.08,
}
_OLD = ("drb", "drbversion", "exptime")
# Filter and depth (5 sigma, nJy) of a visit; g and r are always visited together.
_DEPTHS = {"u": 900.0, "g": 350.0, "r": 350.0, "i": 500.0, "z": 900.0, "Y": 1800.0}
_FIRST_MJD = 60300.1
_NIGHTS = 30


@cache
def synthetic_ztf(n: int = 900) -> tuple[Packet, ...]:
    """ZTF packets of one night without images; a third is like those of earlier years."""
    packets = []
    for number, made in enumerate(generate(n, 3, shares=_SHARES)):
        (read,) = fastavro.reader(io.BytesIO(made.value))
        packet = {name: field for name, field in read.items() if not name.startswith("cutout")}
        if number % 3 == 0:
            _make_old(packet)
        elif number % 3 == 1:
            packet["candidate"]["exptime"] = 60.0
        if number % 2 == 0:
            _measure_twice(packet)
        packets.append(packet)
    return tuple(packets)


def _make_old(packet: Packet) -> None:
    """Like version 3.3: no deep score, no exposure time, no forced photometry, signs as digits."""
    packet["schemavsn"] = "3.3"
    packet.pop("fp_hists", None)
    for name in _OLD:
        del packet["candidate"][name]
    for entry in (packet["candidate"], *(packet["prv_candidates"] or [])):
        if entry["isdiffpos"] is not None:
            entry["isdiffpos"] = "1" if entry["isdiffpos"] == "t" else "0"


def _measure_twice(packet: Packet) -> None:
    """Give one epoch of the history a second detection, an arc second away."""
    for entry in packet["prv_candidates"] or []:
        if entry["magpsf"] is not None:
            again = {"candid": entry["candid"] + 1, "dec": entry["dec"] + 1 / 3600}
            packet["prv_candidates"].append(entry | again)
            return


@cache
def synthetic_elasticc(n_objects: int = 150, scale: float = 1.0) -> tuple[Packet, ...]:
    """ELAsTiCC packets; ``scale`` is the size of their flux unit in nJy."""
    return tuple(
        packet for number in range(n_objects) for packet in _alerts_of_object(number, scale)
    )


def _alerts_of_object(number: int, scale: float) -> Iterator[Packet]:
    """Three alerts of an object: its first detection, one on the way, and its last."""
    rng = random.Random(number)
    sources = list(_sources(number, scale, rng))
    seen = [k for k, source in enumerate(sources) if source["snr"] > 5]
    for k in dict.fromkeys((seen[0], seen[len(seen) // 2], seen[-1])) if seen else ():
        packet = elasticc_record(number)
        earlier = [sources[j] for j in seen if j < k]
        packet |= {
            "alertId": sources[k]["diaSourceId"] + 1,
            "diaSource": sources[k],
            "prvDiaSources": earlier or None,
            "prvDiaForcedSources": [_forced(source) for source in sources[:k]] or None,
            "diaObject": _object(number, rng),
        }
        encoded = encode_datum(packet, schema_of("elasticc"))
        # As read, so that 4-byte floats are what they are in a packet.
        yield fastavro.schemaless_reader(io.BytesIO(encoded), schema_of("elasticc"), None)


def _sources(number: int, scale: float, rng: random.Random) -> Iterator[Packet]:
    """Measured fluxes of one object over its visits, by time."""
    peak_njy = 10 ** (0.4 * (31.4 - rng.uniform(20.5, 24)))
    peak_day, width = rng.uniform(0, _NIGHTS * 3), rng.uniform(8, 40)
    sign = -1 if number % 10 == 9 else 1
    for visit in range(_NIGHTS):
        others = rng.choice("uizY")
        for part, band in enumerate(("g", "r", others)):
            day = visit * 3 + part / 48 + rng.uniform(0, 0.01)
            error = _DEPTHS[band] / 5
            flux = sign * peak_njy * math.exp(-(((day - peak_day) / width) ** 2) / 2)
            flux += rng.gauss(0, error)
            identity = 1_000_003 + number * 1009 + visit * 3 + part
            source: Packet = elasticc_record(number)["diaSource"]
            yield source | {
                "diaSourceId": identity,
                "ccdVisitId": visit * 3 + part,
                "diaObjectId": 7_000_003 + number * 11,
                "midPointTai": _FIRST_MJD + day,
                "filterName": band,
                "ra": number * 2.1 % 360,
                "decl": -60 + number * 0.4 % 60,
                "psFlux": flux / scale,
                "psFluxErr": error / scale,
                "snr": abs(flux) / error,
            }


def _forced(source: Packet) -> Packet:
    """Forced photometry of a visit."""
    names = ("ccdVisitId", "diaObjectId", "midPointTai", "filterName", "psFlux", "psFluxErr")
    values = {name: source[name] for name in names}
    total = {"totFlux": source["psFlux"], "totFluxErr": source["psFluxErr"]}
    return {"diaForcedSourceId": source["diaSourceId"], **values, **total}


def _object(number: int, rng: random.Random) -> Packet:
    """An object of which one in five has no host."""
    record = field_type(schema_of("elasticc"), "diaObject")
    values: Packet = {
        field["name"]: None if "null" in field["type"] else 0 for field in record["fields"]
    }
    return values | {
        "diaObjectId": 7_000_003 + number * 11,
        "ra": number * 2.1 % 360,
        "decl": -60 + number * 0.4 % 60,
        "hostgal_snsep": -9.0 if number % 5 == 0 else rng.uniform(0, 2),
        "z_final": rng.uniform(0.05, 0.8),
    }
