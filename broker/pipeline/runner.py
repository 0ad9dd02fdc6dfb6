"""Start streaming queries, wait, stop them between batches, and say how it ended."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from broker.errors import FatalError, NightjarError
from broker.logs import lines_about
from broker.spark.jvm import jvm_lives, listen_in_jvm
from broker.tables.storage import is_disk_full

log = logging.getLogger(__name__)

_POLL_S = 0.2
EXPECTED = (NightjarError, PySparkException, Py4JError, OSError)
"""Errors whose message says enough; of any other the operator sees the trace."""
_JVM_IS_GONE = (
    "Spark's JVM is gone: it was killed, or out of memory (see spark.driver.memory). What is "
    "committed stays whole; start again, and it goes on from there"
)


class StopRequested(Exception):
    """Refuses a batch after a stop was asked for.

    Returning instead would make Spark commit a batch that nobody processed.
    """


@dataclass(frozen=True)
class Stream:
    """One query: a streaming frame, and what to do with each batch.

    Parameters
    ----------
    name
        Name of the query, in logs and Spark's UI.
    frame
        The streaming frame.
    process
        Takes a batch and its number.
    checkpoint
        Address of Spark's checkpoint folder.
    trigger_seconds
        Shortest time between the starts of two batches.
    """

    name: str
    frame: DataFrame
    process: Callable[[DataFrame, int], None]
    checkpoint: str
    trigger_seconds: float


@dataclass
class Runner:
    """Runs streams in one Spark application until they end, die or are told to stop.

    Parameters
    ----------
    spark
        The session.
    once
        Process what is there and end, instead of waiting for more.
    """

    spark: SparkSession
    once: bool = False
    _stopping: threading.Event = field(default_factory=threading.Event)
    _failures: dict[str, BaseException] = field(default_factory=dict)

    def run(self, streams: list[Stream]) -> None:
        """Run all streams: together, or with ``once`` one after the other.

        Raises
        ------
        FatalError
            A query died; the message is its reason in one line. The others have finished their
            batch.
        """
        self._listen_for_stop()
        groups = [[stream] for stream in streams] if self.once else [streams]
        for group in groups:
            self._run_together(group)
            if self._failures:
                raise self._reason() from None
            if self._stopping.is_set():
                log.info("stopped on request; the next start continues here")
                return

    def check_stop(self) -> None:
        """Between two batches: refuse the next one after a stop was asked for.

        Raises
        ------
        StopRequested
            Ends the query; what was refused is done by the next start.
        """
        if self._stopping.is_set():
            raise StopRequested("a stop was asked for")

    def _run_together(self, streams: list[Stream]) -> None:
        queries = [self._start(stream) for stream in streams]
        try:
            while any(query.isActive for query in queries):
                self._note_deaths(queries)
                if self._stopping.is_set():
                    self._stop_idle(queries)
                time.sleep(_POLL_S)
            self._note_deaths(queries)
        except (Py4JError, ConnectionError) as error:
            self._failures.setdefault(streams[0].name, error)

    def _reason(self) -> NightjarError:
        """Why the first of the queries died."""
        name, error = next(iter(self._failures.items()))
        if isinstance(error, (Py4JError, ConnectionError)) and not jvm_lives(self.spark):
            return FatalError(_JVM_IS_GONE)
        return as_fatal(f"query {name} died", error)

    def _start(self, stream: Stream) -> StreamingQuery:
        # A pool for each query, where the scheduler is fair: a long batch of one leaves the others
        # their share of the cores.
        self.spark.sparkContext.setLocalProperty("spark.scheduler.pool", stream.name)
        writer = (
            stream.frame.writeStream.queryName(stream.name)
            .option("checkpointLocation", stream.checkpoint)
            .foreachBatch(self._gated(stream))
        )
        if self.once:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{stream.trigger_seconds} seconds").start()

    def _gated(self, stream: Stream) -> Callable[[DataFrame, int], None]:
        def process(rows: DataFrame, batch_id: int) -> None:
            self.check_stop()
            try:
                with lines_about(query=stream.name):
                    stream.process(rows, batch_id)
            except StopRequested:
                raise
            except BaseException as error:
                # Spark passes on a trace as text only; the error itself has the reason.
                self._failures.setdefault(stream.name, error)
                if not isinstance(error, EXPECTED):
                    log.exception("batch %d of query %s", batch_id, stream.name)
                raise

        return process

    def _note_deaths(self, queries: list[StreamingQuery]) -> None:
        """Remember why queries died, and let the others end after their batch."""
        for query in queries:
            error = None if query.isActive else query.exception()
            if error is not None and "StopRequested" not in str(error):
                self._failures.setdefault(query.name or "", error)
        if self._failures:
            self._stopping.set()

    @staticmethod
    def _stop_idle(queries: list[StreamingQuery]) -> None:
        # stop() would interrupt a running batch; a busy query meets the gate instead.
        for query in queries:
            if query.isActive and not query.status["isTriggerActive"]:
                query.stop()

    def _listen_for_stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        # Under spark-submit the JVM is the parent process and gets the signal, not only Python.
        listen_in_jvm(self.spark, self._stopping.set)


def as_fatal(what: str, error: BaseException) -> NightjarError:
    """One-line error for whatever ended a query; our own errors stay what they are."""
    if isinstance(error, NightjarError):
        return error
    reason = _first_line(error)
    if is_disk_full(error):
        return FatalError(
            f"{what}: the disk is full ({reason}). The batch was not written, nothing is lost: "
            "free some space and start again"
        )
    return FatalError(f"{what}: {reason}")


def _first_line(error: BaseException) -> str:
    if isinstance(error, Py4JJavaError):
        text = str(_root_cause(error.java_exception))
    elif isinstance(error, PySparkException):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _root_cause(throwable: Any) -> str:
    while throwable.getCause() is not None:
        throwable = throwable.getCause()
    return str(throwable.toString())
