"""Job frame: logs, locks, Spark session, metrics, runner and exit code of every operation."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import SparkSession

from broker.errors import NightjarError
from broker.logs import log_as, log_to_stderr
from broker.pipeline.metrics_server import watched
from broker.pipeline.runner import EXPECTED, Runner, Stream, as_fatal
from broker.settings import Settings
from broker.sinks.locks import StageLock
from broker.spark.session import build_session
from broker.tables.storage import Storage


@dataclass(frozen=True)
class Job:
    """One operation on a survey's tables, as `open_job` makes it.

    Attributes
    ----------
    name
        Part of the application's name in Spark's UI.
    settings
        Settings of the survey.
    storage
        The survey's folder.
    """

    name: str
    settings: Settings
    storage: Storage

    @cached_property
    def spark(self) -> SparkSession:
        """Session of this job; it starts when it is first needed, after cheaper checks."""
        return build_session(f"nightjar {self.settings.survey} {self.name}")

    def run(
        self,
        stages: Sequence[str],
        streams: Callable[[Runner], list[Stream]],
        once: bool,
    ) -> None:
        """Run streaming queries until they end, with metrics where the settings ask for them.

        Parameters
        ----------
        stages
            Stages that the metrics are about.
        streams
            Makes the queries.
        once
            Process what is there and end.

        Raises
        ------
        FatalError
            A query died.
        """
        runner = Runner(self.spark, once)
        with watched(self.spark, self.settings, stages):
            runner.run(streams(runner))


@contextmanager
def open_job(name: str, settings: Settings, locks: Sequence[str] = ()) -> Iterator[Job]:
    """Open a job: it logs, and holds its locks until the body ends.

    Parameters
    ----------
    locks
        Stages whose only writer this process is meanwhile.

    Raises
    ------
    LockHeld
        Another process writes one of these stages.
    NightjarError
        The error that ended the body, as one line with an exit code; the trace of an unexpected
        one is printed first.
    """
    log_to_stderr()
    log_as(settings.logs.format, settings.survey)
    storage = Storage(settings.survey_root)
    with ExitStack() as held:
        try:
            for stage in locks:
                held.enter_context(StageLock(storage, stage))
            yield Job(name, settings, storage)
        except NightjarError:
            raise
        except Exception as error:  # noqa: BLE001 - the end of the job
            if not isinstance(error, EXPECTED):
                traceback.print_exc()
            raise as_fatal("the job died", error) from None
