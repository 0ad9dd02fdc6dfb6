"""What others run over the same packets: a plain consumer, and Spark with a row-at-a-time decoder.

Each contender is a process of its own, and prints its figures as JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import fastavro
from confluent_kafka import Consumer, TopicPartition

from tests.bench.processes import cpu_seconds, peak_mb

Record = dict[str, Any]


def main() -> None:
    """Run one contender over a topic."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=["consumer", "udf"])
    parser.add_argument("--servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--alerts", type=int, required=True)
    options = parser.parse_args()
    contenders: dict[str, Callable[[str, str, int], Record]] = {"consumer": consume, "udf": by_udf}
    figures = contenders[options.contender](options.servers, options.topic, options.alerts)
    print(json.dumps(figures | {"peak_mb": peak_mb()}))


# --- the plain consumer --------------------------------------------------------------------------


def consume(servers: str, topic: str, alerts: int) -> Record:
    """Decode every packet, apply four filters, store and send nothing."""
    chosen: Counter[str] = Counter()
    cpu, began = cpu_seconds(), time.perf_counter()
    for value in _values(servers, topic, alerts):
        record: Any = next(iter(fastavro.reader(io.BytesIO(value))))
        for name, passes in FILTERS.items():
            chosen[name] += passes(record)
    seconds = time.perf_counter() - began
    return {
        "alerts": alerts,
        "seconds": seconds,
        "cpu": cpu_seconds() - cpu,
        "chosen": dict(chosen),
    }


def _values(servers: str, topic: str, count: int) -> Iterator[bytes]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench"})
    partitions = consumer.list_topics(topic, 30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    while count > 0:
        messages = consumer.consume(min(500, count), timeout=5.0)
        count -= len(messages)
        yield from (message.value() or b"" for message in messages)
    consumer.close()


def _real_not_solar_system(alert: Record) -> bool:
    near = alert["candidate"]["ssdistnr"]
    return _is_real(alert) and not (near is not None and 0 <= near < 5)


def _is_real(alert: Record) -> bool:
    candidate = alert["candidate"]
    drb, rb = candidate["drb"], candidate["rb"]
    if drb is not None and candidate["drbversion"] != "" and 0 <= drb <= 1:
        return bool(drb >= 0.5)
    return rb is not None and 0 <= rb <= 1 and bool(rb >= 0.55)


def _is_new_transient(alert: Record, most_days: float) -> bool:
    candidate = alert["candidate"]
    return (
        _real_not_solar_system(alert)
        and candidate["isdiffpos"] in ("t", "1")
        and not (_within(candidate["distpsnr1"], 1.5) and (candidate["sgscore1"] or 0) > 0.76)
        and not (
            _within(candidate["neargaiabright"], 20) and _within(candidate["maggaiabright"], 12)
        )
        and candidate["jdstarthist"] is not None
        and 0.02 <= candidate["jd"] - candidate["jdstarthist"] <= most_days
    )


def _bright_new(alert: Record) -> bool:
    return alert["candidate"]["magpsf"] < 18.5 and _is_new_transient(alert, 10)


def _hostless(alert: Record) -> bool:
    candidate = alert["candidate"]
    return (
        not _within(candidate["distnr"], 1.5)
        and not _within(candidate["distpsnr1"], 5)
        and _is_new_transient(alert, 30)
    )


def _within(value: float | None, most: float) -> bool:
    return value is not None and 0 <= value <= most


def _uniform_sample(alert: Record) -> bool:
    return alert["candid"] % 113 == 0


# The same as the shipped filters of these names, written as one would by hand.
FILTERS: dict[str, Callable[[Record], bool]] = {
    "real_not_solar_system": _real_not_solar_system,
    "bright_new": _bright_new,
    "hostless": _hostless,
    "uniform_sample": _uniform_sample,
}


# --- a UDF, row by row ---------------------------------------------------------------------------


def by_udf(servers: str, topic: str, alerts: int) -> Record:
    """Decode every packet in a Python UDF that takes one row at a time; keep nothing."""
    from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
    from pyspark.sql.functions import udf

    from broker.ingest.writers import reader_schema
    from broker.settings import load_settings
    from broker.spark.session import build_session
    from broker.surveys import get_survey

    spark = build_session("bench udf")
    settings = load_settings("ztf", overrides=[f"kafka.servers={servers}"])
    survey = get_survey(settings.survey)
    kind = _spark_type(spark, json.dumps(reader_schema(survey)))
    reader = spark.read.format("kafka").option("kafka.bootstrap.servers", servers)
    packets = reader.option("subscribe", topic).option("minPartitions", os.cpu_count() or 1).load()
    decode = udf(_decode, kind)
    decoded = packets.limit(alerts).select(decode(F.col("value")).alias("record"))
    cpu, began = cpu_seconds(), time.perf_counter()
    decoded.write.format("noop").mode("overwrite").save()
    figures = {
        "alerts": alerts,
        "seconds": time.perf_counter() - began,
        "cpu": cpu_seconds() - cpu,
    }
    spark.stop()
    return figures


def _decode(value: bytes) -> Any:
    return next(iter(fastavro.reader(io.BytesIO(value))))


def _spark_type(spark: Any, schema: str) -> Any:
    """Spark's type of an Avro schema."""
    from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
    from pyspark.sql.avro.functions import from_avro

    empty = spark.createDataFrame([(b"",)], "value binary")
    return empty.select(from_avro(F.col("value"), schema).alias("r")).schema["r"].dataType


if __name__ == "__main__":
    main()
