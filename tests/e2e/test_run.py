"""All stages in one application: stopped in mid-batch, one of them dying, and run to the end."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from broker.kafka.embedded.host import free_port
from broker.kafka.embedded.server import EmbeddedKafka
from broker.pipeline.metrics import names
from tests.crafted import NIGHT, ztf_packets
from tests.e2e.distribution.distributing import DistributeSite
from tests.e2e.site import ROOT, Ended, Job, make_topic, produce, wait_until
from tests.job_environ import job_environ

ALERTS, BATCH = 160, 40
FILTERS = {"all": ("alert_id >= 0", "lite"), "odd": ("alert_id % 2 = 1", "cutouts")}
STAGES = ("raw", "science", "distribute")
STOPPED = "stopped on request; the next start continues here"


class RunSite(DistributeSite):
    """A site that runs all stages in one process."""

    def run_all(self, *options: str, pause: str = "", by_java: bool = False) -> Job:
        """Start the command, or its job by spark-submit; it may wait at a stage's fault point."""
        environ = job_environ(killing=bool(pause))
        if pause:
            environ |= {"NIGHTJAR_FAULT": pause, "KILL_WHOM": "pause", "KILL_MARK": str(self.mark)}
        program = [str(ROOT / "bin/nightjar"), "run"]
        if by_java:
            program = [str(Path(sys.executable).parent / "spark-submit"), "jobs/run.py"]
        return self._run([*program, "--survey", self.survey, *options, *self.settings()], environ)

    def batches(self, stage: str) -> set[str]:
        """Keys of the committed batches of a stage."""
        names = self.storage.names(f"ledger/stage={stage}")
        return {name.removesuffix(".parquet") for name in names}


@dataclass
class Story:
    """What each start of one site came to.

    Parameters
    ----------
    stopped, dead, last
        Told to stop while raw and science waited; killed by its own science; run to the end.
    overlap
        Stages with a finished batch while raw was in the middle of its second.
    stuck
        The batch that science could not publish.
    before, after
        Batches of each stage when it was told to stop, and when it had.
    scrape, status
        What Prometheus and ``nightjar status`` saw before it was told to stop.
    """

    site: RunSite
    stopped: Job
    overlap: set[str]
    before: dict[str, set[str]]
    after: dict[str, set[str]]
    dead: Job
    stuck: str
    last: Ended
    scrape: str
    status: str


@pytest.fixture(scope="module")
def story(
    kafka: EmbeddedKafka, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    topic = "e2e_run"
    make_topic(kafka, topic, 2)
    produce(kafka, topic, ztf_packets(range(ALERTS)))
    root = tmp_path_factory.mktemp("run")
    words = {
        "kafka.output_prefix": "e2erun",
        "filters.folder": str(root / "filters"),
        "ingest.max_offsets_per_batch": str(BATCH),
    }
    site = RunSite(root, kafka, topic, "ztf", words)
    for name, (where, payload) in FILTERS.items():
        site.filters.mkdir(exist_ok=True)
        site.write_filter(name, where, payload)
    yield live(site)
    site.stop_all()


def live(site: RunSite) -> Story:
    """Three starts: one stopped, one that dies, one to the end."""
    port = free_port()
    watched = ("--set", f"metrics.port={port}", "--set", "logs.format=json")
    stopped = site.run_all(*watched, pause="raw:after_stage:2")
    site.wait_for_mark(stopped)
    wait_until(lambda: bool(site.batches("distribute")), "the first alerts are out")
    before = {stage: site.batches(stage) for stage in STAGES}
    scrape = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
    status = site.nightjar("status").text
    stopped.process.send_signal(signal.SIGTERM)
    site.mark.unlink()
    stopped.wait()
    after = {stage: site.batches(stage) for stage in STAGES}
    # Science finds the place of its next batch taken.
    (stuck,) = after["raw"] - after["science"]
    taken = site.root / f"ztf/online/science/night={NIGHT}/batch={stuck}"
    taken.mkdir()
    dead = site.run_all(by_java=True)
    dead.wait()
    shutil.rmtree(taken)
    last = site.nightjar("run", "--once")
    overlap = {stage for stage, keys in before.items() if keys}
    return Story(site, stopped, overlap, before, after, dead, stuck, last, scrape, status)


def test_alerts_go_out_while_raw_is_in_the_middle_of_its_next_batch(story: Story) -> None:
    assert story.overlap == set(STAGES)
    assert len(story.before["raw"]) == 1


def test_told_to_stop_in_mid_batch_it_finishes_the_batch_and_exits_0(story: Story) -> None:
    assert story.stopped.process.returncode == 0, story.stopped.text
    assert json.loads(story.stopped.reason)["message"] == STOPPED
    assert "Traceback" not in story.stopped.text
    assert {stage: len(keys) for stage, keys in story.after.items()} == {
        "raw": 2,
        "science": 1,
        "distribute": 1,
    }


def test_prometheus_and_status_see_each_stage_at_work(story: Story) -> None:
    for stage, alerts in (("raw", BATCH), ("science", BATCH), ("distribute", BATCH * 3 // 2)):
        labels = f'{{stage="{stage}",survey="ztf"}}'
        assert f"nightjar_alerts_out_total{labels} {alerts}.0" in story.scrape
        assert f"nightjar_query_active{labels} 1.0" in story.scrape
        now, day = (line for line in story.status.splitlines() if line.split()[:1] == [stage])
        assert f" {story.stopped.process.pid} " in now
        assert str(alerts) in day.split()
    seen = {line.partition("{")[0] for line in story.scrape.splitlines() if line[0] != "#"}
    assert seen <= names()


def test_as_json_each_batch_is_a_line_with_survey_query_batch_and_night(story: Story) -> None:
    lines = [json.loads(line) for line in story.stopped.text.splitlines() if line[0] == "{"]
    batches = [line for line in lines if ": read " in line["message"]]
    assert {line["query"] for line in batches} == set(STAGES)
    for line in batches:
        assert line["survey"] == "ztf"
        assert line["batch"] in story.after[line["query"]]
        assert line["night"] == [NIGHT]


def test_when_a_query_dies_it_ends_with_the_reason_and_exit_code_3(story: Story) -> None:
    assert story.dead.process.returncode == 3, story.dead.text
    assert story.dead.reason.startswith("nightjar: ")
    assert story.stuck in story.dead.reason
    assert "Traceback" not in story.dead.text
    story.dead.wait_until_all_are_gone()


def test_run_to_the_end_everything_is_out_exactly_once(story: Story) -> None:
    assert story.last.code == 0, story.last.text
    site = story.site
    assert site.expected() == {"all": list(range(ALERTS)), "odd": list(range(1, ALERTS, 2))}
    assert site.sent() == site.expected()
    assert len(site.batches("raw")) == ALERTS // BATCH
    for stage in STAGES:
        assert site.storage.names(f"staging/{stage}") == []
    code, findings = site.audit("--deep")
    assert code == 0, findings


@pytest.mark.parametrize("usable", [True, False])
def test_a_backlog_is_worked_off_whether_or_not_its_packets_can_be_used(
    kafka: EmbeddedKafka, tmp_path: Path, *, usable: bool
) -> None:
    topic = f"e2e_backlog_{usable}"
    make_topic(kafka, topic, 2)
    produce(kafka, topic, ztf_packets(range(BATCH)) if usable else [b"rubbish"] * BATCH)
    words = {"kafka.output_prefix": topic, "filters.folder": str(tmp_path / "filters")}
    site = RunSite(tmp_path, kafka, topic, "ztf", words)
    site.filters.mkdir()
    site.write_filter("all", *FILTERS["all"])
    last = site.nightjar("run", "--once")
    assert last.code == 0, last.text
    assert [row.written for row in site.committed()] == [BATCH * usable]
    assert [row.written for row in site.distributed()] == [BATCH * usable]


def test_a_stage_that_another_process_runs_is_not_run_twice(story: Story) -> None:
    site = story.site
    job = site.start(fault="before_stage", whom="pause")
    wait_until(lambda: "incubator" in job.text or job.process.poll() is not None, "it has the lock")
    second = site.run_all()
    assert second.wait() == 3
    assert second.reason.startswith(
        f"nightjar: stage raw is being written by process {job.process.pid} "
    )
    assert "incubator" not in second.text
    job.process.kill()
