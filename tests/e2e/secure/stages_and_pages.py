"""Every stage in one Spark application, as an operator's job; and all that Spark shows of it.

``stages_and_pages.py FOLDER --set …``: pages of Spark's UI and of its REST interface go to FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.request import urlopen

from broker.pipeline.job import open_job
from broker.pipeline.streaming import run_stages
from broker.settings import load_settings
from broker.tables.stages import STREAMING

PAGES = ("/environment/", "/SQL/", "/StreamingQuery/", "/jobs/", "/stages/")
REST = ("/environment", "/sql?details=true&planDescription=true&length=100", "/jobs", "/stages")


def main(folder: Path, words: list[str]) -> None:
    """Run the stages, then save the pages."""
    settings = load_settings("ztf", overrides=words)
    with open_job("secure test", settings, STREAMING) as job:
        run_stages(job, once=True)
        spark = job.spark
        packets = spark.readStream.format("kafka").options(**settings.kafka.spark_options())
        packets.option("subscribe", settings.kafka.input_topic).load().explain(extended=True)
        web = str(spark.sparkContext.uiWebUrl)
        rest = f"{web}/api/v1/applications/{spark.sparkContext.applicationId}"
        pages = [web + page for page in PAGES] + [rest + page for page in REST]
        executions = range(40)
        pages += [f"{web}/SQL/execution/?id={number}" for number in executions]
        for number, page in enumerate(pages):
            with urlopen(page) as answer:
                (folder / f"page-{number}.html").write_bytes(answer.read())
        spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3::2])
