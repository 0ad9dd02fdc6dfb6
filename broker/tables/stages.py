"""Names of the stages, as the ledger, the locks and the staging folders spell them."""

from __future__ import annotations

RAW = "raw"
REPLAY = "replay"
SCIENCE = "science"
DISTRIBUTE = "distribute"
ARCHIVE = "archive"

INGEST = (RAW, REPLAY)
"""Stages that turn packets into raw rows."""
AFTER_INGEST = (SCIENCE, DISTRIBUTE)
STREAMING = (RAW, SCIENCE, DISTRIBUTE)
"""Stages of a running stream, in the order in which an alert passes them."""
UPSTREAM: dict[str, tuple[str, ...]] = {
    RAW: (),
    SCIENCE: INGEST,
    DISTRIBUTE: (SCIENCE,),
}
"""Stage → stages whose batches it takes."""
