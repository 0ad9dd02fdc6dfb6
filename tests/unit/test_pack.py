"""The archive for clusters: what is in it, and that it runs wherever it is unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

from broker.commands.pack import members, packages_of, write_archive
from broker.errors import FatalError, SettingsError

INTERPRETER = str(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture(scope="module")
def names(project_root: Path) -> set[str]:
    """Names in the archive of this checkout."""
    packages = packages_of(project_root / "uv.lock")
    return {name for name, _ in members(project_root, packages)}


@pytest.fixture
def unpacked(project_root: Path, tmp_path: Path) -> Path:
    """The archive with one small package for all, unpacked in a folder with a space."""
    archive = tmp_path / "nightjar.tar.gz"
    few = [distribution("nightjar-broker"), distribution("typing_inspection")]
    write_archive(archive, members(project_root, few))
    folder = tmp_path / "a worker"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


def test_it_holds_the_project_the_connectors_and_the_locked_packages(names: set[str]) -> None:
    assert {
        "bin/python",
        "broker/settings/load.py",
        "conf/nightjar.toml",
        "conf/filters/ztf/hostless.toml",
        "conf/spark-defaults.conf",
        "jobs/stream2raw.py",
        "lib/lightgbm/__init__.py",
        f"lib/nightjar_broker-{version('nightjar-broker')}.dist-info/METADATA",
        "lib/pyarrow/__init__.py",
    } <= names
    assert any(name.startswith("jars/spark/spark-sql-kafka") for name in names)
    assert any(name.startswith("schemas/ztf/") for name in names)


def test_it_holds_neither_spark_nor_what_only_the_tests_need(names: set[str]) -> None:
    packages = {name.split("/")[1] for name in names if name.startswith("lib/")}
    assert packages.isdisjoint({"pyspark", "py4j", "pytest", "mypy", "sklearn", "hypothesis"})


def test_the_simulator_and_the_training_stay_at_home(names: set[str]) -> None:
    assert not [name for name in names if "simulat" in name and name.startswith("broker/sim")]
    assert not [name for name in names if name.startswith("broker/training/")]


def test_it_holds_no_file_of_conf_that_may_be_a_password(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    for name in ("ztf.toml", "kafka.password", "key.pem"):
        (tmp_path / "conf" / name).touch()
    assert {name for name, _ in members(tmp_path, [])} == {"bin/python", "conf/ztf.toml"}


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    def content() -> Iterator[tuple[str, str]]:
        yield from (("bin/python", "x"), ("broker/a.py", "y" * 5000))

    for name in ("one.tar.gz", "other.tar.gz"):
        write_archive(tmp_path / name, content())
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "other.tar.gz").read_bytes()


def test_a_failure_leaves_no_half_archive(tmp_path: Path) -> None:
    def content() -> Iterator[tuple[str, str | Path]]:
        yield "a", "x"
        yield "b", tmp_path / "gone"

    with pytest.raises(FatalError, match="gone"):
        write_archive(tmp_path / "nightjar.tar.gz", content())
    assert list(tmp_path.iterdir()) == []


def test_its_python_finds_the_project_by_itself(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "import broker.settings, typing_inspection; from importlib.metadata import version;"
        "print(broker.settings.PROJECT_ROOT, typing_inspection.__file__);"
        "print(version('nightjar-broker'))"
    )
    # Without the packages that the broker's settings need: they are this environment's.
    environment = Path(distribution("pydantic").locate_file("")).as_posix()
    done = run_python(unpacked, "-c", code, cwd=tmp_path, PYTHONPATH=environment)
    assert done.stdout.splitlines() == [
        f"{unpacked} {unpacked}/lib/typing_inspection/__init__.py",
        version("nightjar-broker"),
    ]


def test_a_worker_without_python_is_told_what_to_do(unpacked: Path, tmp_path: Path) -> None:
    done = run_python(unpacked, "-c", "1", cwd=tmp_path, NIGHTJAR_PYTHON="python3.99")
    assert done.returncode == 127
    assert "no python3.99 on the PATH of" in done.stderr
    assert "NIGHTJAR_PYTHON=" in done.stderr


def run_python(
    unpacked: Path, *words: str, cwd: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(unpacked / "bin/python"), *words],
        cwd=cwd,
        env={"PATH": os.defpath, "NIGHTJAR_PYTHON": INTERPRETER, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_text(
        '[[package]]\nname = "nightjar-broker"\ndependencies = [{ name = "no-such-thing" }]\n'
    )
    with pytest.raises(SettingsError, match=r"no-such-thing of uv\.lock is not installed"):
        packages_of(lock)


def test_a_package_for_other_systems_is_left_out(tmp_path: Path) -> None:
    lock = tmp_path / "uv.lock"
    needs = '{ name = "no-such-thing", marker = "sys_platform == \'win32\'" }, { name = "rich" }'
    lock.write_text(f'[[package]]\nname = "nightjar-broker"\ndependencies = [{needs}]\n')
    assert [package.name for package in packages_of(lock)] == ["nightjar-broker", "rich"]


def test_outside_a_checkout_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="from a checkout"):
        packages_of(tmp_path / "uv.lock")
