"""Tables of one survey, archive and tonight's batches as one, without Spark or a JVM."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from broker.errors import UsageError, one_line
from broker.kafka.positions import KafkaPosition
from broker.nights import NightRange, parse_nights
from broker.query.cone import SEPARATION, cell_ranges, check_cone, in_ranges
from broker.query.decode_cutouts import Image, cutout_name, decode_cutout
from broker.surveys import get_survey
from broker.tables.files import Files, files_of, retry_while_replaced
from broker.tables.layout import ONLINE
from broker.tables.read_arrow import first_row
from broker.tables.read_duckdb import GONE, connect, quoted, set_views
from broker.tables.storage import Storage

Output = Literal["pandas", "arrow"]
Rows: TypeAlias = "pd.DataFrame | pa.Table"
Ask: TypeAlias = "Callable[[str], pa.Table]"
"""A function that answers a query."""
T = TypeVar("T")
# Ids are above 2**53, which a float cannot hold: a missing one must not make floats of the others.
_PANDAS_TYPES = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
# Each detection once: as its own alert has it, else as the latest alert has it.
_LIGHT_CURVE = """
WITH points AS (
    SELECT unnest(lightcurve) AS point, alert_id AS of_alert, mjd AS of_mjd
    FROM science WHERE object_id = $object_id
), ranked AS (
    SELECT point.*, row_number() OVER (
        PARTITION BY point.mjd, point.band, point.kind
        ORDER BY coalesce(point.alert_id = of_alert, false) DESC, of_mjd DESC, of_alert DESC
    ) AS rank,
    bool_or(point.kind = 'detection') OVER (PARTITION BY point.mjd, point.band) AS detected
    FROM points
)
SELECT * EXCLUDE (rank, detected) FROM ranked
WHERE rank = 1 AND NOT (kind = 'upper_limit' AND detected)
ORDER BY mjd, band, kind
"""


class Archive:
    """All science rows of a survey: closed nights and tonight's batches, no row twice.

    Every call looks for new rows by itself.

    Parameters
    ----------
    root
        The survey's folder, such as ``data/ztf``.
    output
        What calls return: ``pandas`` (ids as Int64, so none is ever rounded) or ``arrow``.

    Raises
    ------
    UsageError
        There is no such folder on this machine.

    Examples
    --------
    >>> archive = Archive("data/ztf")  # doctest: +SKIP
    >>> archive.object("ZTF18abvkwla")  # doctest: +SKIP
    >>> archive.cone(196.55, 35.72, radius_arcsec=60)  # doctest: +SKIP
    """

    def __init__(self, root: str | Path, output: Output = "pandas") -> None:
        if not Path(root).is_dir():
            raise UsageError(
                f"{root} is no folder on this machine; give a survey's folder, such as data/ztf "
                "(tables on hdfs are read with Spark)"
            )
        self._storage = Storage(str(root))
        self._output = output
        self._connection = connect()

    def object(self, object_id: str, nights: str | None = None) -> Rows:
        """Alerts of an object in the nights ``A..B``, or in all, by time."""
        return self.objects([object_id], nights)

    def objects(self, object_ids: Iterable[str], nights: str | None = None) -> Rows:
        """Alerts of some objects in the nights ``A..B``, or in all, by object and time."""
        listed = ", ".join(quoted(object_id) for object_id in object_ids)
        if not listed:
            return self.sql("SELECT * FROM science LIMIT 0")
        return self.sql(
            f"SELECT * FROM science WHERE object_id IN ({listed}) "
            "ORDER BY object_id, mjd, alert_id",
            nights,
        )

    def light_curve(self, object_id: str, nights: str | None = None) -> Rows:
        """Light curve from all alerts: each detection once, and the limits around them.

        Parameters
        ----------
        nights
            Only from the alerts of these nights, ``A`` or ``A..B``.

        Returns
        -------
        Rows
            The fields of the column ``lightcurve``, by time.
        """
        span = parse_nights(nights) if nights is not None else None
        return self._shaped(self._query(_LIGHT_CURVE, {"object_id": object_id}, span))

    def cone(self, ra_deg: float, dec_deg: float, radius_arcsec: float) -> Rows:
        """Alerts within a circle, the nearest first, with ``separation_arcsec``.

        Parameters
        ----------
        ra_deg
            Right ascension in degrees, taken modulo 360.
        dec_deg
            Declination in degrees, −90 to 90.

        Raises
        ------
        UsageError
            That is not a circle on the sky.
        """
        check_cone(ra_deg, dec_deg, radius_arcsec)
        # DuckDB takes no numbers of NumPy.
        ra_deg, dec_deg, radius_arcsec = float(ra_deg) % 360, float(dec_deg), float(radius_arcsec)
        ranges = cell_ranges(ra_deg, dec_deg, radius_arcsec)
        query = (
            f"SELECT * FROM (SELECT {SEPARATION} AS separation_arcsec, * FROM science "
            f"WHERE {in_ranges(ranges)}) WHERE separation_arcsec <= $radius "
            "ORDER BY separation_arcsec, alert_id"
        )
        centre = {"ra": ra_deg, "dec": dec_deg, "radius": radius_arcsec}
        return self._shaped(self._query(query, centre))

    def night(
        self, night: str | int, columns: Sequence[str] | None = None, where: str | None = None
    ) -> Rows:
        """Alerts of one night.

        Parameters
        ----------
        columns
            Columns or SQL expressions (``classifier.score``); none: all.
        where
            SQL over the science columns, as in a filter.
        """
        return self.nights(str(night), columns, where)

    def nights(
        self, nights: str, columns: Sequence[str] | None = None, where: str | None = None
    ) -> Rows:
        """Alerts of the nights ``A..B``, both included; the rest as for `night`."""
        selected = ", ".join(columns) if columns else "*"
        query = f"SELECT {selected} FROM science" + (f" WHERE ({where})" if where else "")
        return self.sql(query, nights)

    def latest(
        self,
        nights: str | int | None = None,
        columns: Sequence[str] | None = None,
        where: str | None = None,
    ) -> Rows:
        """One row per object: its latest alert of a night, of ``A..B``, or of all nights.

        Parameters
        ----------
        columns, where
            As for `night`, over what is returned otherwise.

        Returns
        -------
        Rows
            The science columns, ``n_alerts``, ``first_night`` and ``last_night``.
        """
        selected = ", ".join(columns) if columns else "*"
        query = f"SELECT {selected} FROM objects" + (f" WHERE ({where})" if where else "")
        return self.sql(f"{query} ORDER BY object_id", None if nights is None else str(nights))

    def sql(self, query: str, nights: str | None = None) -> Rows:
        """Rows of a query over the tables ``science``, ``raw`` and ``objects``.

        Parameters
        ----------
        nights
            All that the tables hold, ``A`` or ``A..B``; other nights are not even opened.
        """
        span = parse_nights(nights) if nights is not None else None
        return self._shaped(self._query(query, nights=span))

    def together(self, use: Callable[[Ask], T], nights: str | None = None) -> T:
        """Result of a function that asks several queries, all of one state of the tables.

        It is called again, from its start, when a night was replaced meanwhile.

        Parameters
        ----------
        nights
            As for `sql`.
        """
        span = parse_nights(nights) if nights is not None else None

        def once() -> T:
            self._set_views(span)
            return use(lambda query: self._ask(query, None))

        return self._again(once)

    def cutouts(self, alert_id: int) -> dict[str, Image | None]:
        """Images of an alert: name (``Science``, ``Template``, ``Difference``) → image.

        Raises
        ------
        UsageError
            There is no such alert.
        """
        query = (
            "SELECT survey, night, batch, healpix29, ingest.topic, ingest.partition, ingest.offset "
            f"FROM science WHERE alert_id = {int(alert_id)}"
        )
        found = self._query(query).to_pylist()
        if not found:
            raise UsageError(f"no science row has alert_id {alert_id} in {self._storage.root}")
        row = self._raw_row(found[0])
        return {cutout_name(name): decode_cutout(value) for name, value in row.items()}

    def _raw_row(self, science: dict[str, Any]) -> dict[str, Any]:
        """Cutouts of the raw row that a science row was computed from."""
        night = NightRange(science["night"], science["night"])
        cutouts = get_survey(science["survey"]).cutouts
        same = pc.field("batch") == science["batch"]
        same = same & (pc.field("healpix29") == science["healpix29"])
        for name in KafkaPosition._fields:
            same = same & (pc.field("ingest", name) == science[name])
        found = first_row(
            self._storage,
            "raw",
            night,
            same,
            lambda names: [name for name in names if name in cutouts],
        )
        return dict(found.to_pylist()[0]) if found is not None else {}

    def _query(
        self,
        query: str,
        values: dict[str, Any] | None = None,
        nights: tuple[int, int] | None = None,
    ) -> pa.Table:
        def once() -> pa.Table:
            self._set_views(nights)
            return self._ask(query, values)

        return self._again(once)

    def _set_views(self, nights: tuple[int, int] | None) -> None:
        files = {name: self._files(name, nights) for name in ONLINE}
        if not files["science"].nights:
            raise UsageError(self._nothing(nights))
        with self._explained():
            set_views(self._connection, files)

    def _nothing(self, nights: tuple[int, int] | None) -> str:
        """Reason that there are no rows, and the nights that have some."""
        known = self._files("science", None).nights
        if nights is None or not known:
            return f"{self._storage.root} has no science rows; is it a survey's folder?"
        asked = f"{nights[0]}" + (f"..{nights[1]}" if nights[1] != nights[0] else "")
        first = dt.date.fromisoformat(str(nights[0]))
        nearest = min(known, key=lambda night: abs(dt.date.fromisoformat(str(night)) - first))
        return (
            f"there are no science rows of {asked}; there are of {len(known)} nights, {known[0]} "
            f"to {known[-1]}, the nearest {nearest}"
        )

    def _ask(self, query: str, values: dict[str, Any] | None) -> pa.Table:
        with self._explained():
            found = self._connection.sql(query, params=values)
            if found is None:
                raise UsageError(f"the query {query!r} asks for nothing; give a SELECT")
            return _with_unique_names(found.to_arrow_table())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn DuckDB's errors into ours, of one line; after its own faults, connect again."""
        try:
            yield
        except duckdb.IOException:
            raise  # a file is gone: `_again` lists them again
        except (duckdb.InternalException, duckdb.FatalException) as error:
            self._connection = connect()  # the old one answers nothing after this
            raise UsageError(
                f"DuckDB {duckdb.__version__} failed on this query ({one_line(error)}), a fault "
                "of its own; write the query in another way, such as without ORDER BY or LIMIT"
            ) from None
        except duckdb.Error as error:
            raise _cannot_run(error) from None

    def _files(self, table: str, nights: tuple[int, int] | None) -> Files:
        return files_of(self._storage, table, *(nights or ()))

    def _again(self, read: Callable[[], T]) -> T:
        """Result of a read, tried again when a night was replaced while it was read."""
        try:
            return retry_while_replaced(read, GONE)
        except duckdb.IOException as error:
            raise _cannot_run(error) from None

    def _shaped(self, rows: pa.Table) -> Rows:
        return rows if self._output == "arrow" else to_pandas(rows)


def _cannot_run(error: duckdb.Error) -> UsageError:
    return UsageError(f"this query cannot be run: {one_line(error)}")


def _with_unique_names(rows: pa.Table) -> pa.Table:
    """Table whose second column ``night`` is called ``night_1``, as in DuckDB's own tables."""
    names: list[str] = []
    for name in rows.column_names:
        numbered = (f"{name}_{number}" for number in count(1))
        names.append(name if name not in names else next(n for n in numbered if n not in names))
    return rows.rename_columns(names)


def to_pandas(rows: pa.Table) -> pd.DataFrame:
    """Frame in which whole numbers stay whole numbers where some are missing."""
    frame: pd.DataFrame = rows.to_pandas(types_mapper=_PANDAS_TYPES.get)
    return frame
