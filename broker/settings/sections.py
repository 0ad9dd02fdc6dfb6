"""Sections of the settings: every key with its type, default and meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from broker.settings.kafka import KafkaSettings
from broker.settings.section import Section

Framing = Literal["container", "bare", "confluent"]


class StorageSettings(Section):
    """Where the tables are."""

    root: str = Field(description="local or shared POSIX path, or hdfs:// address")

    @field_validator("root")
    @classmethod
    def _has_rename(cls, root: str) -> str:
        scheme = urlsplit(root).scheme
        if scheme not in ("", "file", "hdfs"):
            raise ValueError(
                f"{scheme}:// is an object store, and object stores have no rename, which every "
                "commit needs; use a local or shared POSIX path, or hdfs://"
            )
        return urlsplit(root).path if scheme == "file" else root


class IngestSettings(Section):
    """How packets come in."""

    framing: Framing
    schema_path: Path | None = Field(
        None,
        alias="schema",
        description="writer schema of `bare` packets: an .avsc, or a folder of .avsc files",
    )
    max_offsets_per_batch: int = Field(
        0, ge=0, description="0: derived from the mean packet size and `batch_megabytes`"
    )
    batch_megabytes: int = Field(512, ge=1, description="packet bytes that one batch aims at")
    trigger_seconds: float = Field(1.0, gt=0, description="shortest time between two batches")
    mjd_range: tuple[float, float] | None = Field(
        None, description="accepted times of simulated surveys (MJD); none: the survey's own rule"
    )


class ScienceSettings(Section):
    """Science modules and the numbers they use."""

    modules: tuple[str, ...] = Field(
        description="run in this order; a module of another package is package.file:Class"
    )
    radius_arcsec: float = Field(
        5.0, gt=0, description="a solar-system object nearer than this is the alert's source"
    )
    drb_threshold: float = Field(0.5, ge=0, le=1, description="real from this drb on")
    rb_threshold: float = Field(0.55, ge=0, le=1, description="real from this rb on")
    reliability_threshold: float = Field(0.5, ge=0, le=1, description="real from this on (LSST)")
    flux_zero_point: float = Field(
        31.4, description="AB magnitude of flux 1 in the packets: 31.4 nJy, 27.5 FLUXCAL"
    )


class FiltersSettings(Section):
    """Which alerts go out."""

    folder: Path = Field(description="one TOML file per filter, at its top or in <survey>/")
    own_folder: Path | None = Field(
        None, description="a second folder of filters, of your own; empty: none"
    )

    @field_validator("own_folder", mode="before")
    @classmethod
    def _empty_is_none(cls, folder: object) -> object:
        return None if folder == "" else folder


class DistributeSettings(Section):
    """How filtered alerts go out."""

    partitions: int = Field(4, ge=1, description="of output topics that are not there yet")
    retention_hours: int = Field(
        168, ge=1, description="how long such a topic keeps its alerts, as it is made"
    )
    delivery_timeout_seconds: float = Field(
        120.0,
        ge=5,
        le=840,
        description="a broker may stay away so long before distribute gives up",
    )


class ArchiveSettings(Section):
    """How closed nights are kept."""

    keep_days: float = Field(
        7.0, ge=0, description="how long a batch stays online beside the archive that has it"
    )
    nights_at_once: int = Field(2, ge=1, description="so many nights are reprocessed side by side")


class MetricsSettings(Section):
    """What Prometheus reads of a running job."""

    port: int = Field(0, ge=0, le=65535, description="0: no metrics")
    address: str = Field("127.0.0.1", description="where it listens; 0.0.0.0: everywhere")


class LogsSettings(Section):
    """What a job says while it runs."""

    format: Literal["text", "json"] = Field(
        "text", description="json: one object a line, with survey, query, batch and nights"
    )


class EmbeddedKafkaSettings(Section):
    """The single-node Kafka of ``bin/nightjar kafka``."""

    port: int = Field(9092, ge=1, le=65534)
    folder: Path | None = Field(None, description="default: <storage.root>/kafka")
    properties_file: Path | None = None
    open_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="of a secure one: here anybody may read the output topics, and nothing else",
    )


class SimulatorSettings(Section):
    """The night that ``bin/nightjar simulate`` plays, and how."""

    source: Path | None = Field(
        None, description="packet or archive, a folder of them, or nights of a raw table"
    )
    topic: str = Field("", description="empty: `kafka.input_topic`")
    partitions: int = Field(1, ge=1, description="of a topic that is not there yet")
    framing: Framing | None = Field(None, description="none: `ingest.framing`")
    schema_path: Path | None = Field(
        None, alias="schema", description="of bare packets, stored or sent; none: `ingest.schema`"
    )
    schema_id: int | None = Field(
        None, ge=0, description="of confluent messages; none: major × 100 + minor of the schema"
    )
    display: str = Field("", description="field to show of each observation: `candidate,jd`")
    alerts_per_observation: int = Field(0, ge=0, description="0: one stream, no observations")
    observations: int = Field(-1, ge=-1, description="-1: until the night is over")
    interval_seconds: float = Field(0.0, ge=0, description="from one observation to the next")
    rate: float | None = Field(None, gt=0, description="alerts per second, evenly")
    speed: float | None = Field(None, gt=0, description="times faster than recorded")


class Settings(Section):
    """All settings of one survey's broker."""

    survey: str
    storage: StorageSettings
    kafka: KafkaSettings
    ingest: IngestSettings
    science: ScienceSettings
    filters: FiltersSettings
    distribute: DistributeSettings = Field(default_factory=DistributeSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    logs: LogsSettings = Field(default_factory=LogsSettings)
    embedded_kafka: EmbeddedKafkaSettings
    simulator: SimulatorSettings = Field(default_factory=SimulatorSettings)

    @property
    def survey_root(self) -> str:
        """Folder (or hdfs address) of this survey's tables."""
        return f"{self.storage.root.rstrip('/')}/{self.survey}"
