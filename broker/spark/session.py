"""The one place that builds a Spark session, and the checks a session must pass."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from broker.errors import SettingsError
from broker.settings import CONF_FOLDER
from broker.settings.jars import jars
from broker.spark.jvm import has_class, system_property

# Without these one flipped bit in a length makes Avro allocate gigabytes, at every restart.
AVRO_LIMITS = {
    "org.apache.avro.limits.bytes.maxLength": 33_554_432,
    "org.apache.avro.limits.string.maxLength": 33_554_432,
    "org.apache.avro.limits.collectionItems.maxLength": 1_000_000,
}
PACKAGES = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.3,org.apache.spark:spark-avro_2.13:4.1.1"


def build_session(name: str) -> SparkSession:
    """Session of this application, from ``conf/spark-defaults.conf`` or spark-submit's options.

    Parameters
    ----------
    name
        Application name in Spark's UI.
    """
    builder = SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC")
    for key, value in _launch_options().items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    # Workers would take whatever `python3` is first on PATH. On a cluster the operator names the
    # workers' interpreter, which is not at the driver's path.
    if str(spark.sparkContext.master).startswith("local") and "PYSPARK_PYTHON" not in os.environ:
        spark.sparkContext.pythonExec = sys.executable
    return spark


def _launch_options() -> dict[str, str]:
    """Options for the JVM that this process starts; none where spark-submit has started it.

    The jars' path in our spark-defaults.conf is relative, for spark-submit from the checkout.
    """
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return {}
    conf = os.environ.setdefault("SPARK_CONF_DIR", str(CONF_FOLDER))
    if Path(conf).resolve() != CONF_FOLDER:
        return {}
    home = os.environ.get("JAVA_HOME")
    folder = jars("spark", f"{home}/bin/java" if home else "java")
    return {"spark.jars": ",".join(sorted(map(str, folder.glob("*.jar"))))}


def check_decoder_can_run(spark: SparkSession) -> None:
    """Refuse to decode packets without the connectors or Avro's own limits.

    Raises
    ------
    SettingsError
        Says what to add to the command line.
    """
    _check_connectors(spark)
    missing = [k for k, v in AVRO_LIMITS.items() if system_property(spark, k) != str(v)]
    options = spark.conf.get("spark.executor.extraJavaOptions", "") or ""
    if not str(spark.sparkContext.master).startswith("local"):
        missing += [k for k, v in AVRO_LIMITS.items() if f"-D{k}={v}" not in options]
    if missing:
        flags = " ".join(f"-D{key}={value}" for key, value in AVRO_LIMITS.items())
        raise SettingsError(
            "Avro's size limits are not set, so one damaged packet could kill this process at "
            "every restart; start with SPARK_CONF_DIR=conf, or give\n"
            f'  --conf "spark.driver.extraJavaOptions={flags}" '
            f'--conf "spark.executor.extraJavaOptions={flags}"'
        )


def _check_connectors(spark: SparkSession) -> None:
    for name in (
        "org.apache.spark.sql.kafka010.KafkaSourceProvider",
        "org.apache.spark.sql.avro.AvroDataToCatalyst",
    ):
        if not has_class(spark, name):
            raise SettingsError(
                f"Spark has no {name}: run `bin/nightjar --version` once, which fetches the jars, "
                "and start with SPARK_CONF_DIR=conf from the checkout; elsewhere give\n"
                f"  --packages {PACKAGES}"
            )
