"""The package as pip installs it: a wheel in an environment of its own, outside the checkout."""

from __future__ import annotations

import json
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.simulator.synthetic.night import write_night
from tests.builders import fill
from tests.judges.environment import make_environment, run_alone, run_judge, run_uv
from tests.science_rows import FIRST_ID, NIGHTS

N_ALERTS = 60
OBJECT = "ztf0000003"
# Written for the installed package's own Python.
READ_ARCHIVE = """
import importlib.util, sys
from broker.query import Archive

assert importlib.util.find_spec("pyspark") is None
archive = Archive(sys.argv[1])
print(len(archive.sql("SELECT alert_id FROM science")), len(archive.object(sys.argv[2])))
"""


@dataclass
class Installed:
    """An installation, run in a folder that is not the checkout.

    Parameters
    ----------
    python
        Python of its environment.
    folder
        Working folder.
    """

    python: Path
    folder: Path

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a nightjar command."""
        return run_alone([self.python.parent / "nightjar", *words], cwd=self.folder, timeout=600)

    def printed(self, *words: str | Path) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def built(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist, and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("built")
    run_uv("build", "--out-dir", folder, project_root, about=project_root / "pyproject.toml")
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("nightjar_broker-*.whl")
    return wheel


@pytest.fixture(scope="module")
def reader(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel without extras."""
    folder = tmp_path_factory.mktemp("reader")
    return Installed(make_environment(folder / "environment", [wheel], about=wheel), folder)


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel with its extra for the stages of the broker."""
    folder = tmp_path_factory.mktemp("whole")
    extra = f"nightjar-broker[broker] @ {wheel.as_uri()}"
    return Installed(make_environment(folder / "environment", [extra], about=wheel), folder)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    fill(folder, range(N_ALERTS), 2)
    return folder


@pytest.fixture(scope="module")
def at_root(root: Path) -> tuple[str, str]:
    return "--set", f"storage.root={root}"


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packets")
    write_night(5, 1, folder)
    return folder


def files_of_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_its_settings_schemas_and_filters(
    wheel: Path, project_root: Path
) -> None:
    expected = {
        str(path.relative_to(project_root)) for path in (project_root / "broker").rglob("*.py")
    }
    for name in ("conf", "schemas"):
        files = [path for path in (project_root / name).rglob("*") if path.is_file()]
        expected |= {f"broker/resources/{path.relative_to(project_root)}" for path in files}
    assert any(name.startswith("broker/resources/conf/filters/") for name in expected)
    assert expected <= files_of_wheel(wheel)


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(
    built: Path, wheel: Path, project_root: Path, tmp_path: Path
) -> None:
    about = project_root / "pyproject.toml"
    run_uv("build", "--wheel", "--out-dir", tmp_path, project_root, about=about)
    assert files_of_wheel(tmp_path / wheel.name) == files_of_wheel(wheel)
    (sdist,) = built.glob("nightjar_broker-*.tar.gz")
    with tarfile.open(sdist) as archive:
        folders = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"broker", "conf", "schemas", "LICENSE"} <= folders
    assert not {"tests", "jars", ".venv"} & folders


def test_it_names_its_version(reader: Installed, wheel: Path) -> None:
    assert reader.printed("--version") == f"nightjar {wheel.name.split('-')[1]}\n"


def test_packets_are_read_and_drawn_without_spark(reader: Installed, packets: Path) -> None:
    ids = {path.stem for path in packets.glob("*.avro")}
    _, *lines = reader.printed("consume", "--from", packets, "--brief").splitlines()
    assert {line.split()[1] for line in lines} == ids
    assert len(lines) == 5
    packet = min(packets.glob("*.avro"))
    reader.printed("plot", packet, "--out", reader.folder / "packet.png")
    assert (reader.folder / "packet.png").read_bytes().startswith(b"\x89PNG")


def test_tables_are_read_and_drawn_without_spark(
    reader: Installed, root: Path, at_root: tuple[str, str]
) -> None:
    printed = run_judge(reader.python, ["-c", READ_ARCHIVE, root / "ztf", OBJECT], reader.folder)
    assert printed.split() == [str(N_ALERTS), "2"]
    sql = ("sql", "SELECT count(*) AS n FROM science", "--format", "json")
    assert json.loads(reader.printed(*sql, *at_root)) == [{"n": N_ALERTS}]
    assert str(FIRST_ID + 3 * 1009) in reader.printed("object", OBJECT, *at_root)
    assert str(N_ALERTS // 2) in reader.printed("night", str(NIGHTS[0]), *at_root)
    reader.printed("plot", OBJECT, "--out", reader.folder / "object.png", *at_root)
    assert (reader.folder / "object.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [("run",), ("filter", "list")])
def test_a_command_that_needs_spark_names_the_extra(
    reader: Installed, at_root: tuple[str, str], words: tuple[str, ...]
) -> None:
    done = reader.run(*words, *at_root)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "needs pyspark" in line
    assert "[broker]" in line


def test_with_the_extra_filters_modules_and_kafka_are_there(
    whole: Installed, at_root: tuple[str, str]
) -> None:
    filters = whole.printed("filter", "list", *at_root)
    assert "fast_risers" in filters
    assert "alert_id" in whole.printed("describe", *at_root)
    assert "explain" in whole.printed("science", "--help")
    status = whole.run("kafka", "status")
    assert status.returncode == 1
    assert "no Kafka of" in status.stdout + status.stderr
    run_judge(whole.python, ["-c", "import broker.pipeline.streaming"], whole.folder)
