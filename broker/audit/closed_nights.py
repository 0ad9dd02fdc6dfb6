"""Audit of closed nights: archive rows = rows of the batches that the archive names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from broker.audit.finding import Finding
from broker.tables.closed_nights import ClosedNight, Content
from broker.tables.files import files_in, retry_while_replaced
from broker.tables.layout import ARCHIVE, night_folder
from broker.tables.ledger_row import LedgerRow
from broker.tables.row_checksums import content_by_batch
from broker.tables.storage import Storage


def check_closed_nights(
    closed: Sequence[ClosedNight], ingested: Iterable[LedgerRow], science: Iterable[LedgerRow]
) -> Finding:
    """Per night: rows that were archived = rows of the named batches, within the ledger."""
    said = {
        "raw": _rows_by_batch(ingested),
        "science": _rows_by_batch(science),
    }
    differences = []
    for state in closed:
        for batch in state.batches:
            for table, rows in said.items():
                archived = getattr(batch, table).rows
                written = rows.get((state.night, batch.key), 0)
                if archived != written:
                    differences.append(
                        f"night {state.night}, batch {batch.key}: {archived} {table} rows were "
                        f"archived, {written} are in the ledger"
                    )
    return Finding(
        "per night: archived rows = rows of the batches it names",
        f"{len(closed)} closed nights, {sum(len(state.batches) for state in closed)} batches, "
        f"{sum(state.raw.rows for state in closed)} raw, "
        f"{sum(state.science.rows for state in closed)} science rows",
        tuple(differences),
    )


def check_archived_files(storage: Storage, closed: Iterable[ClosedNight]) -> Finding:
    """Per night and batch: rows and alert ids in the archive's files = as archived."""
    differences, rows = [], 0
    for state in closed:
        for table in ARCHIVE:
            found = retry_while_replaced(partial(_contents, storage, table, state.night))
            said = {batch.key: getattr(batch, table) for batch in state.batches}
            for key in sorted(found.keys() | said.keys()):
                have, want = found.get(key, Content()), said.get(key, Content())
                rows += have.rows
                if have != want:
                    differences.append(
                        f"archive/{table}, night {state.night}, batch {key}: {have.rows} rows in "
                        f"files, {want.rows} in the ledger"
                        + (", with other alert ids" if have.rows == want.rows else "")
                    )
    return Finding(
        "per night, batch: archive's files = as archived, id by id",
        f"{rows} rows",
        tuple(differences),
    )


def _contents(storage: Storage, table: str, night: int) -> dict[str, Content]:
    return content_by_batch(storage, files_in(storage, night_folder(ARCHIVE[table], night)))


def _rows_by_batch(rows: Iterable[LedgerRow]) -> dict[tuple[int, str], int]:
    return {(item.night, row.key): item.written for row in rows for item in row.by_night}
