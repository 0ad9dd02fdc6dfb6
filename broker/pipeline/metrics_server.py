"""Serve a running job's metrics where the settings ask for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import SparkSession

from broker.errors import SettingsError
from broker.settings import Settings
from broker.tables.storage import Storage

log = logging.getLogger(__name__)


@contextmanager
def watched(spark: SparkSession, settings: Settings, stages: Sequence[str]) -> Iterator[None]:
    """Answer Prometheus while the body runs, if ``metrics.port`` is set.

    Parameters
    ----------
    stages
        Those that this process runs.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    wanted = settings.metrics
    if not wanted.port:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - as asked

    from broker.pipeline.metrics import QueryProgress, StageMetrics  # noqa: PLC0415 - as asked

    progress = QueryProgress()
    registry = CollectorRegistry()
    storage = Storage(settings.survey_root)
    registry.register(StageMetrics(storage, settings.survey, stages, progress))
    try:
        server, thread = start_http_server(wanted.port, wanted.address, registry)
    except OSError as error:
        raise SettingsError(
            f"metrics cannot be served at {wanted.address}:{wanted.port} ({error.strerror}); set "
            "metrics.port to a free one, or to 0 for none"
        ) from None
    spark.streams.addListener(progress)
    log.info("metrics at http://%s:%d/metrics", wanted.address, wanted.port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
