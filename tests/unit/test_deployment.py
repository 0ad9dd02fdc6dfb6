"""conf/systemd and conf/kubernetes: as far as they can be checked without either."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

# Of a local run only: where the driver is, what it is given, and jars that the image has.
OF_THIS_MACHINE = {
    *("spark.master", "spark.driver.memory", "spark.driver.host"),
    *("spark.driver.bindAddress", "spark.jars"),
}
# The API's own names (kubeflow/spark-operator, api/v1beta2/sparkapplication_types.go), as far as
# they are used.
SPEC = {
    *("type", "pythonVersion", "mode", "sparkVersion", "image", "mainApplicationFile"),
    *("arguments", "restartPolicy", "volumes", "driver", "executor", "sparkConf"),
}
RESTART = {"type", "onFailureRetryInterval", "onSubmissionFailureRetryInterval"}
POD = {"cores", "memory", "memoryOverhead", "volumeMounts"}
DRIVER = POD | {"serviceAccount", "terminationGracePeriodSeconds"}
EXECUTOR = POD | {"instances"}


@pytest.fixture(scope="module")
def manifests(project_root: Path) -> dict[str, Any]:
    """What conf/kubernetes/nightjar.yaml makes, by kind."""
    text = (project_root / "conf/kubernetes/nightjar.yaml").read_text()
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


def spark_defaults(root: Path) -> dict[str, str]:
    lines = (root / "conf/spark-defaults.conf").read_text().splitlines()
    pairs = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    return {key: value.strip() for key, value in pairs}


def test_the_application_uses_names_of_the_api_only(manifests: dict[str, Any]) -> None:
    application = manifests["SparkApplication"]
    assert application["apiVersion"] == "sparkoperator.k8s.io/v1beta2"
    spec = application["spec"]
    assert set(spec) <= SPEC
    assert set(spec["restartPolicy"]) <= RESTART
    assert set(spec["driver"]) <= DRIVER
    assert set(spec["executor"]) <= EXECUTOR
    assert (spec["type"], spec["mode"], spec["restartPolicy"]["type"]) == (
        "Python",
        "cluster",
        "Always",
    )


def test_the_application_has_spark_s_settings_of_a_local_run(
    manifests: dict[str, Any], project_root: Path
) -> None:
    wanted = spark_defaults(project_root)
    given = dict(manifests["SparkApplication"]["spec"]["sparkConf"])
    # What lies beside spark-defaults.conf has to be named.
    pools = given.pop("spark.scheduler.allocation.file")
    java, _, logs = given["spark.driver.extraJavaOptions"].rpartition(
        " -Dlog4j2.configurationFile="
    )
    for file in (pools, logs):
        inside = file.removeprefix("file:///opt/nightjar/")
        assert (project_root / inside).is_file()
    given["spark.driver.extraJavaOptions"] = java
    assert given == {key: value for key, value in wanted.items() if key not in OF_THIS_MACHINE}


def test_what_the_application_mounts_is_there(manifests: dict[str, Any]) -> None:
    spec = manifests["SparkApplication"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for pod in ("driver", "executor"):
        assert {mount["name"] for mount in spec[pod]["volumeMounts"]} == set(volumes)
    claim = volumes["data"]["persistentVolumeClaim"]["claimName"]
    assert claim == manifests["PersistentVolumeClaim"]["metadata"]["name"]
    settings = volumes["settings"]["configMap"]["name"]
    assert settings == manifests["ConfigMap"]["metadata"]["name"]
    file = spec["arguments"][spec["arguments"].index("--conf") + 1]
    assert Path(file).name in manifests["ConfigMap"]["data"]


def test_its_settings_are_ours(manifests: dict[str, Any], tmp_path: Path) -> None:
    from broker.settings import load_settings  # noqa: PLC0415

    conf = tmp_path / "site.toml"
    conf.write_text(manifests["ConfigMap"]["data"]["site.toml"])
    assert load_settings("ztf", conf, environ={}).storage.root == "/data"


def test_versions_are_those_of_the_project(manifests: dict[str, Any], project_root: Path) -> None:
    project = (project_root / "pyproject.toml").read_text()
    (spark,) = re.findall(r'"pyspark==([\d.]+)"', project)
    (ours,) = re.findall(r'^version = "([\d.]+)"', project, re.MULTILINE)
    dockerfile = (project_root / "conf/kubernetes/Dockerfile").read_text()
    spec = manifests["SparkApplication"]["spec"]
    assert spec["sparkVersion"] == spark
    assert f"FROM spark:{spark}-scala2.13-" in dockerfile
    assert spec["image"].endswith(f":{ours}")


def test_the_image_is_made_of_files_that_there_are(project_root: Path) -> None:
    dockerfile = (project_root / "conf/kubernetes/Dockerfile").read_text()
    sources = [
        word
        for line in dockerfile.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert sources != []
    assert [name for name in sources if not (project_root / name).exists()] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_the_unit(project_root: Path, tmp_path: Path) -> None:
    text = (project_root / "conf/systemd/nightjar@.service").read_text()
    # It looks whether the program is there.
    unit = tmp_path / "nightjar@ztf.service"
    unit.write_text(text.replace("/opt/nightjar/", f"{project_root}/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_starts_again_after_exit_3_and_leaves_usage_errors_alone(
    project_root: Path,
) -> None:
    text = (project_root / "conf/systemd/nightjar@.service").read_text()
    options = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert options["Restart"] == "on-failure"
    assert options["RestartPreventExitStatus"] == "2"
    assert options["StartLimitIntervalSec"] == "0"
    assert options["KillMode"] == "mixed"
