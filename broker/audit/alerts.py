"""Audit of alerts: what raw has, science has, from the rows themselves."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker.audit.finding import Finding
from broker.kafka.positions import KafkaPosition
from broker.nights import NightRange
from broker.tables.files import files_of
from broker.tables.read_arrow import ALERT_ID, POSITION, rows_of_table
from broker.tables.storage import Storage

_MOST_NAMED = 5
_COLUMNS = {**ALERT_ID, **POSITION}


def check_alerts(storage: Storage, finished: Collection[str], nights: NightRange) -> Finding:
    """Per night: the alerts of raw are those of science, each made of a packet that raw has.

    Parameters
    ----------
    finished
        Batches that science has finished; the others are not missed.
    """
    differences: list[str] = []
    n_raw = n_science = 0
    done = pa.array(list(finished), pa.string())
    for night in files_of(storage, "raw", nights.first, nights.last).nights:
        only = NightRange(night, night)
        raw = rows_of_table(storage, "raw", only, _COLUMNS)
        raw = raw.filter(pc.is_in(raw["batch"], value_set=done))
        science = rows_of_table(storage, "science", only, _COLUMNS)
        n_raw += pc.count_distinct(raw["alert_id"]).as_py()
        n_science += science.num_rows
        differences += _only_in(raw, science, night, "in raw, but not in science", ["alert_id"])
        keys = ["alert_id", "batch", *KafkaPosition._fields]
        differences += _only_in(science, raw, night, "in science, but not in raw", keys)
    return Finding(
        "per night: alerts of raw = alerts of science",
        f"{n_raw} = {n_science}",
        tuple(differences),
    )


def _only_in(one: pa.Table, other: pa.Table, night: int, what: str, keys: list[str]) -> list[str]:
    lost = one.join(other.select(keys), keys, join_type="left anti")
    ids = np.unique(lost["alert_id"].to_numpy())
    if not len(ids):
        return []
    named = [
        f"{row['alert_id']} (batch {row['batch']}, topic {row['topic']}, partition "
        f"{row['partition']}, offset {row['offset']})"
        for row in lost.sort_by("alert_id").slice(0, _MOST_NAMED).to_pylist()
    ]
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return [f"night {night}: {len(ids)} alerts are {what}: {', '.join(named)}{more}"]
