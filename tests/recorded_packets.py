"""Recorded packets as Python records and as raw rows, for tests and benchmarks of science.

They are not ours to ship: where their folder is None, synthetic ones stand in.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import astropy.units as u
import cdshealpix
import fastavro
import numpy as np
import pyarrow as pa
from astropy.coordinates import Latitude, Longitude

from broker.nights import night_of_mjd
from broker.packets.fields import value_at
from broker.packets.files import iterate_packets
from broker.packets.schemas import load_schema
from broker.science.engine.science_pass import SciencePass
from broker.surveys import Survey, get_survey
from broker.surveys.arrow_columns import follow
from broker.surveys.times import JD_OF_MJD_0
from tests.synthetic_packets import synthetic_elasticc, synthetic_ztf

Packet = dict[str, Any]
BATCH_TIME = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
_TYPES = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}


def ztf_packets(folder: Path | None) -> list[Packet]:
    """All recorded ZTF packets, both sets, without their images."""
    if folder is None:
        return list(synthetic_ztf())
    values = [
        stored.value for name in ("ztf", "ztf_rebuilt") for stored in iterate_packets(folder / name)
    ]
    return [_without_images(_container(value)) for value in values]


def elasticc_packets(folder: Path | None, nights: int, at_most: int | None = None) -> list[Packet]:
    """Packets of the largest nights of ELAsTiCC's stream of 2022, in nJy.

    Parameters
    ----------
    at_most
        Number of packets of each night.
    """
    if folder is None:
        return list(synthetic_elasticc())
    archives = _largest(folder / "elasticc/fink", nights)
    schema = load_schema(get_survey("elasticc").schema_folder)
    return [
        _without_images(fastavro.schemaless_reader(io.BytesIO(stored.value), schema, None))
        for archive in archives
        for stored in islice(iterate_packets(archive, schema), at_most)
    ]


def elasticc_prototype_packets(folder: Path | None, nights: int) -> list[Packet]:
    """Packets of the largest nights of ELAsTiCC's prototype, whose fluxes have zero point 27.5."""
    if folder is None:
        return list(synthetic_elasticc(scale=10 ** (0.4 * (31.4 - 27.5))))
    archives = _largest(folder / "elasticc/prototype", nights)
    return [
        _without_images(_container(stored.value))
        for archive in archives
        for stored in iterate_packets(archive)
    ]


def _largest(folder: Path, n: int) -> list[Path]:
    return sorted(folder.glob("NITE*.tar.gz"), key=lambda path: -path.stat().st_size)[:n]


def raw_table(packets: Sequence[Packet], survey_name: str) -> pa.Table:
    """Rows of the raw table as ingest writes them: ``night`` included, images left out."""
    survey = get_survey(survey_name)
    known = dict(_TYPES)
    fields = [
        pa.field(field["name"], _arrow_type(field["type"], known))
        for field in load_schema(survey.schema_folder)["fields"]
    ]
    schema = pa.schema([field for field in fields if field.name not in survey.cutouts])
    table = pa.Table.from_pylist(list(packets), schema=schema)
    for name, column in _added(packets, survey).items():
        table = table.append_column(name, column)
    return table


def columns_for(science: SciencePass, packets: Sequence[Packet]) -> dict[str, pa.Array]:
    """The packet fields that a pass reads, as Spark hands them over."""
    table = raw_table(packets, science.survey)
    tops = {path: path.partition(".") for path in science.paths}
    return {
        path: follow(table[top].combine_chunks(), rest.split(".") if rest else [])
        for path, (top, _, rest) in tops.items()
    }


def _added(packets: Sequence[Packet], survey: Survey) -> dict[str, pa.Array]:
    keys = [_key(packet, survey) for packet in packets]
    ids, objects, ra, dec, mjd = zip(*keys, strict=True)
    cells = cdshealpix.lonlat_to_healpix(Longitude(list(ra), u.deg), Latitude(list(dec), u.deg), 29)
    nights = [night_of_mjd(time, survey.night_offset_hours) for time in mjd]
    return {
        "alert_id": pa.array(ids, pa.int64()),
        "object_id": pa.array(objects, pa.string()),
        "healpix29": pa.array(np.asarray(cells).astype(np.int64)),
        "ingest": _ingest(len(packets)),
        "night": pa.array(nights, pa.int32()),
    }


def _key(packet: Packet, survey: Survey) -> tuple[int, str, float, float, float]:
    """Id, object, position and MJD of a packet."""
    paths = survey.packet
    names = (value_at(packet, path) for path in paths.object_id)
    object_id = next(name for name in names if name is not None)
    ra, dec = (value_at(packet, path) for path in paths.position)
    mjd = value_at(packet, paths.time) - (JD_OF_MJD_0 if survey.clock.form == "jd" else 0)
    return value_at(packet, paths.alert_id), str(object_id), ra, dec, mjd


def _ingest(n: int) -> pa.StructArray:
    instant = pa.timestamp("us", tz="UTC")
    columns = {
        "topic": pa.array(["alerts"] * n),
        "partition": pa.array([0] * n, pa.int32()),
        "offset": pa.array(range(n), pa.int64()),
        "kafka_timestamp": pa.array([BATCH_TIME] * n, instant),
        "schema_key": pa.array(["test"] * n),
        "batch_time": pa.array([BATCH_TIME] * n, instant),
        "unknown_fields": pa.nulls(n, pa.list_(pa.string())),
        "packet": pa.nulls(n, pa.binary()),
    }
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))


def _container(value: bytes) -> Packet:
    (packet,) = fastavro.reader(io.BytesIO(value))
    return packet


def _without_images(packet: Packet) -> Packet:
    return {name: field for name, field in packet.items() if not name.startswith("cutout")}


def _arrow_type(avro: Any, known: dict[str, pa.DataType]) -> pa.DataType:
    """Arrow type of an Avro type; records are remembered in `known` under their names."""
    if isinstance(avro, list):
        (avro,) = (branch for branch in avro if branch != "null")
    if isinstance(avro, str):
        return known[avro]
    if avro["type"] == "array":
        return pa.list_(_arrow_type(avro["items"], known))
    if avro["type"] != "record":
        return known[avro["type"]]
    fields = [pa.field(f["name"], _arrow_type(f["type"], known)) for f in avro["fields"]]
    known[avro["name"]] = pa.struct(fields)
    return known[avro["name"]]


@dataclass(frozen=True)
class Computed:
    """Packets and their science columns, row by row."""

    packets: list[Packet]
    science: SciencePass

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Arrow columns that the pass reads."""
        return columns_for(self.science, self.packets)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One dict per packet, without timings."""
        rows = self.science.run(self.columns, len(self.packets)).to_pylist()
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
