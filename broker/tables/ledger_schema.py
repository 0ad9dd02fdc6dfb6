"""Schema of the ledger: one row per finished batch of a stage."""

from __future__ import annotations

import pyarrow as pa

from broker.tables.declaration import INSTANT, column, undescribed


def _structs(*fields: pa.Field) -> pa.DataType:
    return pa.list_(pa.struct(list(fields)))


_OFFSETS = _structs(
    column("topic", pa.string(), "", "Kafka topic"),
    column("partition", pa.int32(), "", "its partition"),
    column("from", pa.int64(), "", "first offset that was read"),
    column("until", pa.int64(), "", "the one after the last"),
    column("end", pa.int64(), "", "where the partition ended then"),
)
_BY_NIGHT = _structs(
    column("night", pa.int32(), "YYYYMMDD", "night of the rows"),
    column("written", pa.int64(), "", "rows written"),
    column("quarantined", pa.int64(), "", "rows quarantined"),
    column("repeats", pa.int64(), "", "duplicates left out"),
    column("repeats_that_differ", pa.int64(), "", "those of them with other content"),
)
_BY_REASON = _structs(
    column("reason", pa.string(), "", "code of the reason"),
    column("packets", pa.int64(), "", "packets quarantined for it"),
)
_BY_FILTER = _structs(
    column("name", pa.string(), "", "filter"),
    column("digest", pa.string(), "", "of its text, which ledger/filters keeps"),
    column("matched", pa.int64(), "", "messages that it sent"),
)
_BY_MODULE = _structs(
    column("name", pa.string(), "", "science module"),
    column("version", pa.string(), "", "its version"),
    column("seconds", pa.float64(), "s", "its time, over all workers"),
    column("failures", pa.int64(), "", "alerts on which it failed"),
)
LEDGER_FIELDS = (
    column("survey", pa.string(), "", "ztf, elasticc, …"),
    column("stage", pa.string(), "", "stage that finished the batch"),
    column("key", pa.string(), "", "key of the batch"),
    column("upstream", pa.string(), "", "stage that the batch came from; null: Kafka"),
    column("offsets", _OFFSETS, "", "what was read of each partition"),
    column("read", pa.int64(), "", "records, or rows, read"),
    column("written", pa.int64(), "", "rows written, or messages sent"),
    column("quarantined", pa.int64(), "", "packets that did not become rows"),
    column("repeats", pa.int64(), "", "duplicates left out"),
    column("repeats_that_differ", pa.int64(), "", "those of them with other content"),
    column("bytes_read", pa.int64(), "B", "size of the packets read"),
    column("by_night", _BY_NIGHT, "", "rows by night"),
    column("by_reason", _BY_REASON, "", "quarantined packets by reason"),
    column("by_filter", _BY_FILTER, "", "messages by filter"),
    column("by_module", _BY_MODULE, "", "cost of each science module"),
    column("batch_time", INSTANT, "UTC", "time of the batch"),
    column("seconds", pa.float64(), "s", "from its start until it was sealed"),
)
LEDGER_SCHEMA = undescribed(LEDGER_FIELDS)
"""As on disk, where each of a great many small files would repeat the descriptions."""
