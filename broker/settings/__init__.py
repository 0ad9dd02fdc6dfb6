"""Typed settings of one survey's broker: sections, layers, Kafka logins."""

from __future__ import annotations

from broker.settings.kafka import KafkaSettings
from broker.settings.load import load_settings
from broker.settings.paths import CONF_FOLDER, DATA_BASE, PROJECT_ROOT
from broker.settings.section import ENV_PREFIX, Section
from broker.settings.sections import (
    ArchiveSettings,
    DistributeSettings,
    EmbeddedKafkaSettings,
    FiltersSettings,
    Framing,
    IngestSettings,
    LogsSettings,
    MetricsSettings,
    ScienceSettings,
    Settings,
    SimulatorSettings,
    StorageSettings,
)

__all__ = [
    "CONF_FOLDER",
    "DATA_BASE",
    "ENV_PREFIX",
    "PROJECT_ROOT",
    "ArchiveSettings",
    "DistributeSettings",
    "EmbeddedKafkaSettings",
    "FiltersSettings",
    "Framing",
    "IngestSettings",
    "KafkaSettings",
    "LogsSettings",
    "MetricsSettings",
    "ScienceSettings",
    "Section",
    "Settings",
    "SimulatorSettings",
    "StorageSettings",
    "load_settings",
]
