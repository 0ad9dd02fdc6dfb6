"""Every stage in one Spark application, as an operator's job; and all that Spark shows of it.

``stages_and_pages.py FOLDER --set …``: pages of Spark's UI and of its REST interface go to FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.request import urlopen

from broker.kafka.preflight import check_input, check_output
from broker.logs import log_to_stderr
from broker.pipeline.all_stages import every_stream
from broker.pipeline.runner import Runner, exit_code
from broker.settings import load_settings
from broker.spark.session import build_session

PAGES = ("/environment/", "/SQL/", "/StreamingQuery/", "/jobs/", "/stages/")
REST = ("/environment", "/sql?details=true&planDescription=true&length=100", "/jobs", "/stages")


def main(folder: Path, words: list[str]) -> None:
    """Run the stages, then save the pages."""
    log_to_stderr()
    with exit_code():
        settings = load_settings("ztf", overrides=words)
        check_input(settings.kafka.client_options(), settings.kafka.input_topic)
        check_output(settings.kafka.output_options(), 10)
        spark = build_session("nightjar secure test")
        runner = Runner(spark, once=True)
        runner.run(every_stream(spark, settings, runner.check_stop))
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
