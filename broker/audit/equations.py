"""Audit: equations that hold when nothing is lost and nothing doubled.

Without ``deep`` they are checked within the ledger; with it, against the files too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import pyarrow.compute as pc

from broker.audit.alerts import check_alerts
from broker.audit.closed_nights import check_archived_files, check_closed_nights
from broker.audit.finding import Finding
from broker.audit.positions import check_positions, check_replayed_once
from broker.audit.topics import OutputTopics, check_filters, check_matches, check_messages
from broker.nights import NightRange
from broker.tables import stages
from broker.tables.closed_nights import ClosedNight, ClosedNights
from broker.tables.files import rows_by_batch
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow, NightCount
from broker.tables.read_arrow import ALERT_ID, rows_of_table
from broker.tables.storage import Storage


def audit(
    storage: Storage,
    nights: NightRange | None = None,
    *,
    deep: bool = False,
    topics: OutputTopics | None = None,
) -> list[Finding]:
    """Check every equation that the committed stages allow.

    Parameters
    ----------
    storage
        The survey's folder.
    nights
        Limits the equations that speak of nights; offsets and batches are always whole.
    deep
        Also count the rows in the files and their Kafka positions, and evaluate filters again.
    topics
        With ``deep``: count the messages in these topics too.
    """
    wanted = nights or NightRange()
    ledger = Ledger(storage)
    ingested = [row for stage in stages.INGEST for row in ledger.rows(stage)]
    science, distributed = ledger.rows("science"), ledger.rows("distribute")
    closed = _closed_nights(storage, wanted)
    taken = {(state.night, key) for state in closed for key in state.keys}
    findings = [
        check_offsets(ledger.rows("raw")),
        check_ingest(ingested),
        check_science(ingested, science, wanted),
        check_filters(science, distributed),
        check_closed_nights(closed, ingested, science),
    ]
    if deep:
        findings += [
            check_files(storage, ingested, "raw", wanted, taken),
            check_quarantine_files(storage, ledger.rows("raw")),
            check_positions(storage, ingested, wanted),
            check_replayed_once(ledger.rows("replay")),
            check_files(storage, science, "science", wanted, taken),
            check_archived_files(storage, closed),
            check_science_ids(storage, wanted),
            check_alerts(storage, {row.key for row in science}, wanted),
            check_matches(storage, distributed),
        ]
    if deep and topics is not None and distributed:
        findings.append(check_messages(storage, distributed, topics))
    return findings


def check_offsets(rows: Iterable[LedgerRow]) -> Finding:
    """Per partition: the ledger's offset ranges join without a gap."""
    by_partition = defaultdict(list)
    for row in rows:
        for span in row.offsets:
            by_partition[span.source].append((span.start, span.until, row.key))
    records = again = 0
    gaps = []
    for (topic, partition), spans in sorted(by_partition.items()):
        reached = None
        for start, until, key in sorted(spans):
            if reached is not None and start > reached:
                gaps.append(
                    f"topic {topic}, partition {partition}: offsets {reached} to {start - 1} are "
                    f"in no batch before {key}"
                )
            fresh_from = start if reached is None else max(start, reached)
            records += until - start
            again += (until - start) - max(0, until - fresh_from)
            reached = until if reached is None else max(reached, until)
    return Finding(
        "per partition: offset ranges join without a gap",
        f"{len(by_partition)} partitions, {records} offsets, {again} of them read again",
        tuple(gaps),
    )


def check_ingest(rows: Iterable[LedgerRow]) -> Finding:
    """Per batch: records read, or replayed = raw rows + quarantined at ingest."""
    rows = list(rows)
    differences = [
        f"batch {row.key}: {row.read} read, {row.written} raw rows, {row.quarantined} quarantined"
        for row in rows
        if row.read != row.written + row.quarantined
        or row.written != sum(item.written for item in row.by_night)
    ]
    read, written = sum(row.read for row in rows), sum(row.written for row in rows)
    quarantined = sum(row.quarantined for row in rows)
    return Finding(
        "per batch: read = raw rows + quarantined",
        f"{len(rows)} batches, {read} = {written} + {quarantined}",
        tuple(differences),
    )


def check_science(
    ingested: Iterable[LedgerRow], science: Iterable[LedgerRow], nights: NightRange
) -> Finding:
    """Per batch, night: raw rows = science rows + duplicates + quarantined in science."""
    raw = {
        (item.night, row.key): item.written
        for row in ingested
        for item in row.by_night
        if item.night in nights
    }
    done = {row.key: row for row in science}
    differences = []
    total, written, duplicates, quarantined, waiting = 0, 0, 0, 0, set()
    for (night, key), rows in sorted(raw.items()):
        if key not in done:
            waiting.add(key)
            continue
        count = next((n for n in done[key].by_night if n.night == night), NightCount(night))
        total, written = total + rows, written + count.written
        duplicates, quarantined = duplicates + count.repeats, quarantined + count.quarantined
        if rows != count.written + count.repeats + count.quarantined:
            differences.append(
                f"night {night}, batch {key}: {rows} raw rows, {count.written} science rows, "
                f"{count.repeats} duplicates, {count.quarantined} quarantined"
            )
    return Finding(
        "per batch, night: raw = science + duplicates + quarantined",
        f"{total} = {written} + {duplicates} + {quarantined}; {len(waiting)} batches wait for "
        "science",
        tuple(differences),
    )


def check_science_ids(storage: Storage, nights: NightRange) -> Finding:
    """Per night: every alert id of the science files is there once."""
    rows = rows_of_table(storage, "science", nights, ALERT_ID)
    differences = []
    for night in pc.unique(rows["night"]).to_pylist():
        ids = rows.filter(pc.equal(rows["night"], night))["alert_id"]
        if doubled := len(ids) - pc.count_distinct(ids).as_py():
            differences.append(f"night {night}: {doubled} alert ids are there more than once")
    return Finding(
        "per night: each alert id once in science", f"{rows.num_rows} alerts", tuple(differences)
    )


def check_files(
    storage: Storage,
    rows: Iterable[LedgerRow],
    table: str,
    nights: NightRange,
    taken: Collection[tuple[int, str]] = (),
) -> Finding:
    """Per batch and night: rows in the table's files = rows that the ledger says.

    A batch that the archive has ``taken`` may have left the online table.
    """
    said = {
        (item.night, row.key): item.written
        for row in rows
        for item in row.by_night
        if item.night in nights and item.written
    }
    found = {batch: n for batch, n in rows_by_batch(storage, table).items() if batch[0] in nights}
    gone = {batch for batch in said if batch in taken and batch not in found}
    said = {batch: n for batch, n in said.items() if batch not in gone}
    differences = [
        f"{table}, night {night}, batch {key}: {found.get((night, key), 0)} rows in files, "
        f"{said.get((night, key), 0)} in the ledger"
        for night, key in sorted(said.keys() | found.keys())
        if said.get((night, key)) != found.get((night, key))
    ]
    archived = f"; {len(gone)} only in the archive" if gone else ""
    return Finding(
        f"per batch, night: {table} rows in files = in the ledger",
        f"{len(found)} folders, {sum(found.values())} = {sum(said.values())}{archived}",
        tuple(differences),
    )


def check_quarantine_files(storage: Storage, rows: Iterable[LedgerRow]) -> Finding:
    """Per batch: packets in the quarantine's files = packets that the ledger says."""
    found: dict[str, int] = defaultdict(int)
    for (_, key), count in rows_by_batch(storage, "quarantine").items():
        found[key] += count
    said = {row.key: row.quarantined for row in rows if row.quarantined}
    differences = [
        f"quarantine, batch {key}: {found.get(key, 0)} packets in files, {said.get(key, 0)} in "
        "the ledger"
        for key in sorted(said.keys() | found.keys())
        if said.get(key, 0) != found.get(key, 0)
    ]
    return Finding(
        "per batch: quarantined packets in files = in the ledger",
        f"{sum(found.values())} = {sum(said.values())}",
        tuple(differences),
    )


def _closed_nights(storage: Storage, nights: NightRange) -> list[ClosedNight]:
    closed = ClosedNights(storage)
    states = [closed.current(night) for night in closed.nights() if night in nights]
    return [state for state in states if state is not None]
