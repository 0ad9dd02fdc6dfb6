"""Schema of the quarantine: refused packets, why they were refused, and their bytes."""

from __future__ import annotations

import pyarrow as pa

from broker.tables.declaration import ARRIVAL, column

QUARANTINE_SCHEMA = pa.schema(
    [
        column("survey", pa.string(), "", "ztf, elasticc, …"),
        column("stage", pa.string(), "", "stage that refused the packet"),
        column("reason", pa.string(), "", "code of the reason"),
        column("detail", pa.string(), "", "the reason in words, with the value"),
        *ARRIVAL,
        column("value", pa.binary(), "", "the packet as it came"),
        column("alert_id", pa.int64(), "", "the packet's, where it could be decoded"),
        column("night", pa.int32(), "YYYYMMDD", "UTC date of its arrival"),
    ]
)
