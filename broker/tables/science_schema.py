"""The science table's schema, declared once: every field with its unit and meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from broker.errors import SettingsError
from broker.packets.avro_to_arrow import arrow_fields
from broker.packets.schemas import load_schema
from broker.surveys import Survey
from broker.tables.declaration import ARRIVAL, INSTANT, column

ROW_COLUMNS = {"alert_id": pa.int64(), "object_id": pa.string()}
"""Columns that the science table has from the raw table."""
ERRORS = pa.list_(
    pa.struct(
        [
            column("module", pa.string(), "", "module that raised on this alert"),
            column("error", pa.string(), "", "what it raised"),
        ]
    )
)
_MODULE = pa.struct(
    [
        column("name", pa.string(), "", "module"),
        column("version", pa.string(), "", "its version; off: it did not run"),
    ]
)
PROVENANCE = pa.struct(
    [
        column("broker_version", pa.string(), "", "version of Nightjar"),
        column("modules", pa.list_(_MODULE), "", "modules in the order they ran"),
        column("errors", ERRORS, "", "modules that failed on this alert"),
    ]
)
INGEST = pa.struct(list(ARRIVAL))
_WHO_WHERE_WHEN = (
    *("alert_id", "object_id", "survey"),
    *("ra_deg", "dec_deg", "gal_lat_deg", "ecl_lat_deg", "healpix29"),
    *("mjd", "mjd_tai_mid", "night"),
)
_BEFORE = (
    column("alert_id", pa.int64(), "", "unique per alert: candid or diaSourceId"),
    column("object_id", pa.string(), "", "shared by all alerts of an object"),
    column("survey", pa.string(), "", "ztf, elasticc, winter, …"),
    column("ra_deg", pa.float64(), "deg", "right ascension, ICRS"),
    column("dec_deg", pa.float64(), "deg", "declination, ICRS"),
    column("healpix29", pa.int64(), "", "HEALPix cell of order 29, NESTED"),
    column("night", pa.int32(), "YYYYMMDD", "date of UTC minus the survey's offset"),
)
_AFTER = (
    column("provenance", PROVENANCE, "", "what computed this row"),
    column("ingest", INGEST, "", "the packet's position in Kafka"),
    column("raw_at", INSTANT, "UTC", "time of the batch that decoded the packet"),
    column("science_at", INSTANT, "UTC", "time of the batch that computed this row"),
)


def science_schema(survey: Survey, computed: Sequence[pa.Field]) -> pa.Schema:
    """All columns of a survey's science table, in order.

    Parameters
    ----------
    computed
        Columns that the science pass yields: those that all surveys share, then the modules'.

    Raises
    ------
    SettingsError
        A module takes the name of a column that is there already.
    """
    records = record_fields(survey)
    names = [field.name for field in (*_BEFORE, *computed, *_AFTER, *records)]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"science.modules: {name!r} is a column of the science table; give the module "
                "another name"
            )
    fields = {field.name: field for field in (*_BEFORE, *computed, *_AFTER)}
    first = [fields.pop(name) for name in _WHO_WHERE_WHEN]
    return pa.schema([*first, *fields.values(), *records])


def record_fields(survey: Survey) -> list[pa.Field]:
    """The survey's own records, as the reader schema has them, with their units."""
    return packet_fields(survey, survey.science.records)


def packet_fields(survey: Survey, names: Iterable[str]) -> list[pa.Field]:
    """Top-level fields of the survey's packets, as the reader schema has them."""
    units = survey.science.record_units

    def described(name: str, dtype: pa.DataType, path: str) -> pa.Field:
        return column(name, dtype, units.get(path, ""), "as in the packet")

    return arrow_fields(load_schema(survey.schema_folder), names, described)


def packet_names(survey: Survey) -> tuple[str, ...]:
    """Names of the top-level fields of the survey's packets."""
    return tuple(field["name"] for field in load_schema(survey.schema_folder)["fields"])
