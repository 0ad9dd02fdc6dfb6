"""``nightjar pack``: everything that a worker of a cluster needs, as one archive.

Unpacked anywhere, it is::

    bin/python          Python with all of the following on its path
    broker/ conf/ jobs/ schemas/
    jars/spark/         the connectors, for a driver that starts from here
    lib/                the packages of uv.lock, without Spark's own and without the tests'

Python itself and Spark are the cluster's: workers need the same minor version of Python as here.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Any

from broker.commands.options import OUT
from broker.errors import FatalError, SettingsError
from broker.settings import PROJECT_ROOT
from broker.tables.storage import is_disk_full

_PROJECT, _EXTRA = "nightjar-broker", "broker"
# A worker has them from its Spark, and must have that Spark's version.
_OF_SPARK = ("pyspark", "py4j")
_FOLDERS = ("broker", "jobs", "schemas")
# Simulator and training never run on a cluster.
_LEFT_OUT = (
    "broker/simulator/",
    "broker/training/",
    "jobs/simulate.py",
    "jobs/train_classifier.py",
)
# Whatever else is in conf/ may be a password.
_SETTINGS = (".toml", ".conf", ".properties", ".xml")
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LAUNCHER = f"""#!/bin/sh
# Python {_VERSION} with Nightjar and its packages, wherever this archive was unpacked.
here=$(cd "$(dirname "$0")/.." && pwd) || exit
python="${{NIGHTJAR_PYTHON:-python{_VERSION}}}"
command -v "$python" >/dev/null || {{
    echo "nightjar: no $python on the PATH of $(hostname): install Python {_VERSION} there," \\
        "or start the worker with NIGHTJAR_PYTHON=/path/to/python{_VERSION}" >&2
    exit 127
}}
export PYTHONPATH="$here:$here/lib${{PYTHONPATH:+:$PYTHONPATH}}"
exec "$python" "$@"
"""


def main(
    out: Annotated[Path, OUT] = Path("nightjar.tar.gz"),
) -> None:
    """Pack environment and project for ``spark-submit --archives``."""
    packages = packages_of(PROJECT_ROOT / "uv.lock")
    size = write_archive(out, members(PROJECT_ROOT, packages))
    print(
        f"{out}: {size / 1e6:.0f} MB, {len(packages)} packages for Python {_VERSION}\n"
        "Run a job with it, from the checkout, with the driver's own address:\n"
        f"  export SPARK_CONF_DIR=conf PYSPARK_PYTHON=./nightjar/bin/python\n"
        "  .venv/bin/spark-submit --master spark://HOST:7077 \\\n"
        "    --conf spark.driver.host=ADDRESS --conf spark.driver.bindAddress=0.0.0.0 \\\n"
        f"    --archives {out}#nightjar --total-executor-cores 4 \\\n"
        "    jobs/stream2raw.py --survey ztf"
    )


def packages_of(lock: Path) -> list[Distribution]:
    """Installed packages that the project needs at run time, by name.

    Parameters
    ----------
    lock
        The project's ``uv.lock``.

    Raises
    ------
    SettingsError
        There is no such file, or a package that it names is not installed.
    """
    try:
        locked = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
    except OSError as error:
        raise SettingsError(
            f"cannot read {lock} ({error.strerror}): run `bin/nightjar pack` from a checkout"
        ) from None
    needs: dict[str, dict[str, Any]] = {}
    for package in locked:
        extras = package.get("optional-dependencies", {}) if package["name"] == _PROJECT else {}
        for need in (*package.get("dependencies", ()), *extras.get(_EXTRA, ())):
            needs.setdefault(package["name"], {})[need["name"]] = need
    found: dict[str, Distribution] = {}
    wanted: list[dict[str, Any]] = [{"name": _PROJECT}]
    while wanted:
        need = wanted.pop()
        name = need["name"]
        if name in found or name in _OF_SPARK:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            if "marker" in need:  # for other systems or versions of Python
                continue
            raise SettingsError(
                f"{name} of {lock.name} is not installed; run `bin/nightjar --version`, which "
                "sets the environment up"
            ) from None
        wanted.extend(needs.get(name, {}).values())
    return [found[name] for name in sorted(found)]


def members(root: Path, packages: list[Distribution]) -> Iterator[tuple[str, Path | str]]:
    """Name in the archive, and the file, or the text, that it is to hold."""
    yield "bin/python", _LAUNCHER
    for folder in _FOLDERS:
        for name, path in _tree(root, folder):
            if not name.startswith(_LEFT_OUT):
                yield name, path
    for name, path in _tree(root, "conf"):
        if path.suffix in _SETTINGS:
            yield name, path
    for jar in sorted((root / "jars/spark").glob("*.jar")):
        yield f"jars/spark/{jar.name}", jar
    for package in packages:
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            # Not scripts; of the project itself, which is in broker/, only its version.
            if ".." not in file.parts and path.suffix not in (".pyc", ".pth"):
                yield f"lib/{file}", path


def _tree(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((root / folder).rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path.relative_to(root).as_posix(), path


def write_archive(out: Path, content: Iterator[tuple[str, Path | str]]) -> int:
    """Write the archive whole or not at all, and equal for equal content.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    FatalError
        It cannot be written.
    """
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            unfinished.open("wb") as file,
            # Most of it is machine code, which more effort would hardly make smaller.
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            for name, source in content:
                _add(archive, name, source)
        unfinished.replace(out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        advice = "free some space" if is_disk_full(error) else "give another file with --out"
        raise FatalError(f"cannot write {out} ({error}); {advice}") from None
    return out.stat().st_size


def _add(archive: tarfile.TarFile, name: str, source: Path | str) -> None:
    data = source.encode() if isinstance(source, str) else source.read_bytes()
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mode = 0o755 if name.startswith("bin/") else 0o644
    archive.addfile(entry, io.BytesIO(data))
