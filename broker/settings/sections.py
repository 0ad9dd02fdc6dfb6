"""Sections of the settings: every key with its type, default and meaning.

A description is the comment on its key in ``conf/nightjar.toml``, and what ``nightjar settings``
prints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from broker.settings.kafka import KafkaSettings
from broker.settings.section import Section

Framing = Literal["container", "bare", "confluent"]


class StorageSettings(Section):
    """Storage of the tables."""

    root: str = Field(
        description="Folder of the tables, which are in <root>/<survey>: a local or shared POSIX "
        "path, or an hdfs:// address. Relative paths start at the checkout in files of conf/, at "
        "the file's own folder in a --conf FILE, and at the current directory elsewhere."
    )

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
    """Ingest: packets from Kafka into the raw tables."""

    framing: Framing = Field(
        description="Framing of a packet in its message: container (an Avro object container), "
        "bare (nothing) or confluent (an id of the schema)."
    )
    schema_path: Path | None = Field(
        None,
        alias="schema",
        description="Writer schema of bare packets: an .avsc file, or a folder of them.",
    )
    max_offsets_per_batch: int = Field(
        0,
        ge=0,
        description="Records per batch, at most; 0: as many as make batch_megabytes, by the mean "
        "packet size.",
    )
    batch_megabytes: int = Field(512, ge=1, description="Megabytes of packets per batch, at most.")
    trigger_seconds: float = Field(
        1.0, gt=0, description="Shortest time between the starts of two batches, in seconds."
    )
    mjd_range: tuple[float, float] | None = Field(
        None,
        description="First and last accepted time of alerts (MJD), for simulated surveys; not set: "
        "the survey's own rule.",
    )


class ScienceSettings(Section):
    """Science modules and the numbers that they use."""

    modules: tuple[str, ...] = Field(
        description="Built-in modules in the order in which they run, one column or more each."
    )
    folder: Path | None = Field(
        None,
        description="Folder with one TOML file for each module of your own; they run after the "
        "built-in ones.",
    )
    radius_arcsec: float = Field(
        5.0,
        gt=0,
        description="A solar-system object nearer than this is taken for the alert's source "
        "(arcsec).",
    )
    drb_threshold: float = Field(
        0.5, ge=0, le=1, description="An alert is real from this drb score on (ZTF)."
    )
    rb_threshold: float = Field(
        0.55, ge=0, le=1, description="An alert without drb is real from this rb score on (ZTF)."
    )
    reliability_threshold: float = Field(
        0.5, ge=0, le=1, description="An alert is real from this reliability on (LSST)."
    )
    flux_zero_point: float = Field(
        31.4,
        description="AB magnitude of flux 1 in packets that carry fluxes: 31.4 is nJy, 27.5 "
        "SNANA's FLUXCAL.",
    )


class FiltersSettings(Section):
    """Filters, which choose the alerts that are sent."""

    folder: Path = Field(
        description="Folder of filters: one TOML file per filter, at its top or in <survey>/; each "
        "is a topic. A running distribute reads changes between two batches."
    )
    own_folder: Path | None = Field(
        None, description="A second folder of filters, for your own; empty: none."
    )

    @field_validator("own_folder", mode="before")
    @classmethod
    def _empty_is_none(cls, folder: object) -> object:
        return None if folder == "" else folder


class DistributeSettings(Section):
    """Distribution: filtered alerts into Kafka topics."""

    partitions: int = Field(4, ge=1, description="Partitions of a filter's topic when it is made.")
    retention_hours: int = Field(
        168, ge=1, description="Hours for which a filter's topic keeps its alerts when it is made."
    )
    delivery_timeout_seconds: float = Field(
        120.0,
        ge=5,
        le=840,
        description="Seconds for which Kafka may be away before distribute gives up; nothing is "
        "lost.",
    )


class ArchiveSettings(Section):
    """Archive of closed nights."""

    keep_days: float = Field(
        7.0,
        ge=0,
        description="Days for which a batch stays in the online tables after a closed night has "
        "taken it.",
    )
    nights_at_once: int = Field(
        2,
        ge=1,
        description="Nights that are reprocessed side by side: as many as keep the cluster busy.",
    )


class MetricsSettings(Section):
    """Metrics of a running job, at http://<address>:<port>/metrics for Prometheus."""

    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the metrics; 0: none. Jobs on one machine need a port each. "
        "conf/monitoring/ has a Grafana dashboard and alert rules.",
    )
    address: str = Field(
        "127.0.0.1", description="Address that the metrics listen on; 0.0.0.0: every one."
    )


class LogsSettings(Section):
    """Log lines of running jobs."""

    format: Literal["text", "json"] = Field(
        "text",
        description="text, or json: one object per line, with survey, query, batch and nights.",
    )


class EmbeddedKafkaSettings(Section):
    """The single-node Kafka of bin/nightjar kafka, which only this machine can reach."""

    port: int = Field(
        9092, ge=1, le=65534, description="Port for clients; the controller has the next one."
    )
    folder: Path | None = Field(
        None, description="Folder of its topics and log; not set: <storage.root>/kafka."
    )
    properties_file: Path | None = Field(
        None, description="File of further properties of the Kafka server."
    )
    open_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="With --secure also: port where anybody may read the output topics, and "
        "nothing else; not set: none.",
    )


class SimulatorSettings(Section):
    """Simulator: the night that bin/nightjar simulate plays, its pace and its form."""

    source: Path | None = Field(
        None, description="Packet, archive, folder of them, or nights of a raw table."
    )
    topic: str = Field("", description="Topic to play into; empty: kafka.input_topic.")
    partitions: int = Field(1, ge=1, description="Partitions of the topic when it is made.")
    framing: Framing | None = Field(
        None, description="Framing of the messages; not set: ingest.framing."
    )
    schema_path: Path | None = Field(
        None,
        alias="schema",
        description="Schema of bare packets, stored or sent; not set: ingest.schema.",
    )
    schema_id: int | None = Field(
        None,
        ge=0,
        description="Schema id of confluent messages; not set: major × 100 + minor of the "
        "schema's version.",
    )
    display: str = Field(
        "", description="Field to show of each observation, such as candidate,jd; empty: none."
    )
    alerts_per_observation: int = Field(
        0, ge=0, description="Alerts per observation; 0: one stream, no observations."
    )
    observations: int = Field(
        -1, ge=-1, description="Number of observations; -1: until the night is over."
    )
    interval_seconds: float = Field(
        0.0, ge=0, description="Seconds from one observation to the next."
    )
    rate: float | None = Field(
        None, gt=0, description="Alerts per second, evenly spaced; not set: as fast as possible."
    )
    speed: float | None = Field(
        None, gt=0, description="Factor by which to speed up the recorded cadence; not set: none."
    )


class Settings(Section):
    """All settings of one survey's broker."""

    survey: str = Field(
        description="Survey that commands and jobs work on where --survey is not given: the name "
        "of a file conf/<survey>.toml."
    )
    storage: StorageSettings
    kafka: KafkaSettings
    ingest: IngestSettings
    science: ScienceSettings
    filters: FiltersSettings
    distribute: DistributeSettings = Field(default_factory=DistributeSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    logs: LogsSettings = Field(default_factory=LogsSettings)
    embedded_kafka: EmbeddedKafkaSettings = Field(default_factory=EmbeddedKafkaSettings)
    simulator: SimulatorSettings = Field(default_factory=SimulatorSettings)

    @property
    def survey_root(self) -> str:
        """Folder (or hdfs address) of this survey's tables."""
        return f"{self.storage.root.rstrip('/')}/{self.survey}"
