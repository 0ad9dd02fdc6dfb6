"""Parquet file of alerts, a row each, with the fields of their schema as columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from broker.client.alert import Alert
from broker.errors import InputError, UsageError
from broker.packets.avro_to_arrow import arrow_fields
from broker.packets.schemas import Schema, fingerprint

_ROWS_AT_ONCE = 1000


class AlertTable:
    """A Parquet file that grows alert by alert; it is there under its name when it is whole.

    Parameters
    ----------
    path
        The file; one that exists is refused.

    Raises
    ------
    UsageError
        The file cannot be written, or the alerts don't share one schema.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise UsageError(f"{path} exists; give --save another name")
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.part")
        self._rows: list[Alert] = []
        self._schema: Schema | None = None
        self._writer: pq.ParquetWriter | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot save in {path.parent}: {error.strerror}") from None

    def close(self) -> None:
        """Finish the file; without any alert there is none."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._unfinished.rename(self._path)
            self._writer = None

    def add(self, alert: Alert) -> None:
        """Append an alert."""
        schema = alert.received.packet.schema
        if self._schema is None:
            self._schema = schema
        elif schema is not self._schema and fingerprint(schema) != fingerprint(self._schema):
            raise UsageError(
                f"{alert.received.origin} has another schema ({fingerprint(schema)}) than the "
                f"alerts before it ({fingerprint(self._schema)}), and a Parquet file has one; "
                "begin after the change with --since, or save .avro files in a folder"
            )
        self._rows.append(alert)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self._rows or self._schema is None:
            return
        columns = arrow_schema(self._schema)
        if self._writer is None:
            try:
                self._writer = pq.ParquetWriter(self._unfinished, columns, compression="zstd")
            except OSError as error:
                raise UsageError(f"cannot save {self._path}: {error.strerror or error}") from None
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=columns))
        self._rows = []


def arrow_schema(schema: Schema) -> pa.Schema:
    """Columns of a table of alerts of an Avro schema."""
    try:
        return pa.schema(arrow_fields(schema))
    except InputError as error:
        raise UsageError(
            f"{error}, so no Parquet column; save .avro files in a folder instead"
        ) from None
