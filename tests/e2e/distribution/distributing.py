"""A site that distributes made-up science rows, and what its subscribers see."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tomllib
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow.dataset as ds
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from broker.kafka.embedded.server import EmbeddedKafka
from broker.kafka.reader import read_committed
from broker.tables.ledger import Ledger
from broker.tables.ledger_row import LedgerRow
from tests.builders import write_batches
from tests.e2e.site import ROOT, Job, Site
from tests.job_environ import job_environ
from tests.science_rows import science_rows

_PATIENCE_SECONDS = 900.0
SHIPPED = ROOT / "conf" / "filters"
FEW = "[hru]*"
"""Of the shipped filters: hostless, real_not_solar_system, uniform_sample."""
# Beside the shipped ones: the other payloads.
OWN_FILTERS = {
    "pictures": ("cutouts", "alert_id % 11 = 0"),
    "without_history": ("lite", "mag < 16 AND is_positive"),
    # What fink-client's display needs.
    "for_fink": ("full", "candidate.jd > 0 AND candidate.magpsf < 20"),
}


class DistributeSite(Site):
    """A site with science batches, filters and topics of its own."""

    def fill(self, n_alerts: int, n_batches: int, first: int = 0) -> list[str]:
        """Commit science batches; return their keys."""
        size = n_alerts // n_batches
        tables = [
            science_rows(self.survey, range(first + k * size, first + (k + 1) * size))
            for k in range(n_batches)
        ]
        return write_batches(self.root, self.survey, tables, first=first // size, raw=True)

    def set_filters(self, pattern: str = "*") -> None:
        """Take the survey's shipped filters, and for ZTF one of every other payload."""
        self.filters.mkdir(parents=True, exist_ok=True)
        for path in (SHIPPED / self.survey).glob(f"{pattern}.toml"):
            shutil.copy(path, self.filters)
        if self.survey == "ztf" and pattern != "none":
            for name, (payload, where) in OWN_FILTERS.items():
                self.write_filter(name, where, payload)

    def write_filter(self, name: str, where: str, payload: str = "full") -> None:
        """Write a filter file."""
        lines = [
            f'name = "{name}"',
            'description = "A filter of a test."',
            'source = "none"',
            f'survey = "{self.survey}"',
            "max_share = 1.0",
            f'payload = "{payload}"',
            f'where = """{where}"""',
        ]
        (self.filters / f"{name}.toml").write_text("\n".join(lines))

    @property
    def filters(self) -> Path:
        """Folder of the filter files."""
        return self.root / "filters"

    @property
    def prefix(self) -> str:
        """Beginning of the topics' names."""
        return self.words["kafka.output_prefix"]

    def topic_of(self, name: str) -> str:
        """Topic of a filter."""
        return f"{self.prefix}_{self.survey}_{name}"

    @property
    def topics(self) -> list[str]:
        """Topics of all filter files."""
        return [self.topic_of(path.stem) for path in sorted(self.filters.glob("*.toml"))]

    # --- the job -----------------------------------------------------------------------------

    def distribute(self, *options: str, fault: str | None = None) -> Job:
        """Start distribute; a fault point may kill it."""
        environ = job_environ()
        if fault:
            environ["NIGHTJAR_FAULT"] = f"distribute:{fault}"
        words = ["jobs/distribute.py", "--survey", self.survey, *options, *self.settings()]
        return self._run([sys.executable, *words], environ)

    def distribute_once(self, *options: str, fault: str | None = None) -> Job:
        """Distribute what is there, to the end."""
        job = self.distribute("--once", *options, fault=fault)
        job.process.wait(_PATIENCE_SECONDS)
        return job

    def distributed(self) -> list[LedgerRow]:
        """Ledger rows of distribute."""
        return Ledger(self.storage).rows("distribute")

    # --- what subscribers see ------------------------------------------------------------------

    def messages(self, name: str) -> list[Message]:
        """Every committed message of a filter's topic."""
        return list(self._messages(name))

    def _messages(self, name: str) -> Iterator[Message]:
        options = self.kafka.client_options()
        topic = self.topic_of(name)
        known = AdminClient(options).list_topics(timeout=10).topics
        partitions = len(known[topic].partitions) if topic in known else 0
        return read_committed(options, topic, partitions, 30)

    def science(self) -> dict[int, dict[str, Any]]:
        """Rows of the science table by alert id."""
        rows = ds.dataset(self.root / self.survey / "online/science", partitioning="hive")
        table = rows.to_table().drop_columns(["batch"])
        return {row["alert_id"]: row for row in table.to_pylist()}

    def expected(self) -> dict[str, list[int]]:
        """Alerts that each filter's where selects from the science table, by DuckDB."""
        files = f"{self.root / self.survey}/online/science/night=*/batch=*/*.parquet"
        found = {}
        for path in sorted(self.filters.glob("*.toml")):
            written = tomllib.loads(path.read_text())
            if written["survey"] == self.survey:
                query = (
                    f"SELECT alert_id FROM read_parquet('{files}', hive_partitioning = true) "
                    f"WHERE ({written['where']}) ORDER BY alert_id"
                )
                found[written["name"]] = [row[0] for row in duckdb.sql(query).fetchall()]
        return found

    def sent(self) -> dict[str, list[int]]:
        """Alerts of each filter's topic; one that is there twice is listed twice."""
        return {
            name: sorted(int(header(message, "alert_id")) for message in self._messages(name))
            for name in self.expected()
        }

    def check_exactly_once(self) -> None:
        """Every topic holds exactly what its filter selects, and the audit agrees."""
        expected = self.expected()
        assert self.sent() == expected
        code, findings = self.audit("--deep")
        assert code == 0, [finding for finding in findings if not finding["holds"]]
        sent = sum(len(ids) for ids in expected.values())
        assert any(f"{sent} messages" in finding["summary"] for finding in findings)


def make_site(
    folder: Path, kafka: EmbeddedKafka, survey: str = "ztf", filters: str = "*"
) -> DistributeSite:
    """Make a site with topics and filters of its own."""
    prefix = f"t{uuid.uuid4().hex[:6]}"
    words = {
        "kafka.output_prefix": prefix,
        "filters.folder": str(folder / "filters"),
        "distribute.partitions": "3",
        "distribute.delivery_timeout_seconds": "60",
    }
    site = DistributeSite(folder, kafka, "none", survey, words)
    site.set_filters(filters)
    return site


def header(message: Message, name: str) -> str:
    """Value of a header."""
    return dict(message.headers() or ())[name].decode()  # type: ignore[union-attr]


def decode(message: Message) -> dict[str, Any]:
    """Record of a message, with the schema in its key."""
    return fastavro.schemaless_reader(
        io.BytesIO(message.value() or b""), _schema(message.key() or b""), None
    )


@cache
def _schema(key: bytes) -> Any:
    return fastavro.parse_schema(json.loads(key))
