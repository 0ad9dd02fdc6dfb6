"""A site whose jobs run on a cluster, started as README says, or in local mode to compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from tests.e2e.cluster.standalone import Standalone
from tests.e2e.distribution.distributing import DistributeSite, decode
from tests.e2e.site import Job
from tests.job_environ import job_environ

# Times of batches are a run's own.
_OWN_TIMES = ("raw_at", "science_at")


@dataclass
class ClusterSite(DistributeSite):
    """Tables and topics of one installation.

    Parameters
    ----------
    cluster, archive
        Where jobs are submitted to, and what they bring along.
    """

    cluster: Standalone | None = None
    archive: Path | None = None

    def submit(self, name: str, *options: str, fault: str | None = None) -> Job:
        """Start a job on the cluster; at a fault point it waits until `mark` is removed."""
        assert self.cluster is not None
        words = [
            *(str(Path(sys.executable).parent / "spark-submit"), "--master", self.cluster.master),
            *("--archives", f"{self.archive}#nightjar", "--total-executor-cores", "2"),
            *(f"jobs/{name}.py", "--survey", self.survey, *options, *self.settings()),
        ]
        environ = job_environ(killing=bool(fault)) | {"PYSPARK_PYTHON": "./nightjar/bin/python"}
        if fault:
            environ |= {"NIGHTJAR_FAULT": fault, "KILL_WHOM": "pause", "KILL_MARK": str(self.mark)}
        return self._run(words, environ)

    def staging(self, stage: str) -> Path:
        """Where the tasks of a stage write."""
        return self.root / self.survey / "staging" / stage

    def run_here(self) -> None:
        """Every stage in local mode, with what is there."""
        for job in (self.run(), self.run(name="raw2science"), self.distribute_once()):
            assert job.process.returncode == 0, job.text

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of an online table by Kafka position, without what is a run's own."""
        layout = ds.partitioning(
            pa.schema([("night", pa.int32()), ("batch", pa.string())]), flavor="hive"
        )
        folder = str(self.root / self.survey / "online" / table)
        found = ds.dataset(folder, format="parquet", partitioning=layout).to_table().to_pylist()
        for row in found:
            del row["batch"]
            row["ingest"].pop("batch_time", None)
            for name in _OWN_TIMES:
                row.pop(name, None)
        return sorted(found, key=lambda row: (row["ingest"]["partition"], row["ingest"]["offset"]))

    def alerts_out(self, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Decoded messages of filters' topics by alert, without what is a run's own."""
        return {
            name: sorted(
                (
                    {key: value for key, value in decode(message).items() if key not in _OWN_TIMES}
                    for message in self.messages(name)
                ),
                key=lambda alert: int(alert["alert_id"]),
            )
            for name in names
        }
