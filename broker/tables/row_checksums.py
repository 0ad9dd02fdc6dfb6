"""Content of files: their rows, and a checksum of the alert ids, read without Spark.

The engine that wrote a night does not also vouch for it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from broker.tables.closed_nights import Content
from broker.tables.files import files_in
from broker.tables.read_arrow import ALERT_ID, BATCH, read_files
from broker.tables.storage import Storage


def content_of(ids: npt.NDArray[np.int64]) -> Content:
    """Rows and checksum: the sum of the mixed ids, modulo 2⁶⁴.

    Mixed as in SplitMix64 (Steele, Lea, Flood 2014), or ids that count up and others that count
    down would cancel. A sum, since a duplicate must count and the order must not.
    """
    mixed = ids.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return Content(int(ids.size), int(mixed.sum(dtype=np.uint64)))


def content_of_folder(storage: Storage, folder: str) -> Content:
    """All rows of a folder's files; none when it does not exist."""
    found = (read_files(storage, [file], ALERT_ID) for file in files_in(storage, folder))
    return sum((content_of(_ids(rows)) for rows in found), Content())


def content_by_batch(storage: Storage, files: Iterable[str]) -> dict[str, Content]:
    """Rows of archived files, given as `files_in` does, by the batch that they came in."""
    found: dict[str, Content] = {}
    for file in files:
        rows = read_files(storage, [file], {**ALERT_ID, **BATCH})
        ids, encoded = _ids(rows), rows["batch"].combine_chunks().dictionary_encode()
        codes = np.asarray(encoded.indices)
        for code, key in enumerate(encoded.dictionary.to_pylist()):
            found[key] = found.get(key, Content()) + content_of(ids[codes == code])
    return found


def _ids(rows: pa.Table) -> npt.NDArray[np.int64]:
    return np.asarray(rows["alert_id"].to_numpy(), dtype=np.int64)
